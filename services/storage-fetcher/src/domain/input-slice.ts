import type { InputPartition, PartitionPlace } from "@skrei/domain";

/** The part of a divided input that one partition gets. With `count` 1 it gets all that the glob lets through. */
export interface InputSlice {
  readonly partition: InputPartition;
  readonly place: PartitionPlace;
}
