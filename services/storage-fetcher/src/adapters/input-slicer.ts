import { DomainError } from "@skrei/domain";
import type { InputSlicer } from "../ports.ts";

/** Parts of inputs for partitions. */
export const inputSlicer: InputSlicer = {
  slice: async (_, { partition }) => {
    throw new DomainError("invalid", "SOURCE_NOT_DIVISIBLE", `This node does not divide inputs by ${partition.by}.`, {
      hint: "Upgrade this node.",
    });
  },
};
