import { create } from "@bufbuild/protobuf";
import type { Constraint, ConstraintOperator } from "@skrei/domain";
import { ConstraintSchema, Constraint_Operator } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import type { Constraint as PbConstraint } from "@skrei/proto/skrei/job/v1/spec_pb.ts";
import { reverse } from "./enum-table.ts";

const OPERATOR_TO_PROTO = {
  "=": Constraint_Operator.EQUALS,
  "!=": Constraint_Operator.NOT_EQUALS,
  in: Constraint_Operator.IN,
  notin: Constraint_Operator.NOT_IN,
  exists: Constraint_Operator.EXISTS,
  "!": Constraint_Operator.NOT_EXISTS,
  gt: Constraint_Operator.GREATER_THAN,
  lt: Constraint_Operator.LESS_THAN,
} as const satisfies Record<ConstraintOperator, Constraint_Operator>;

const OPERATOR_FROM_PROTO = reverse<ConstraintOperator>(OPERATOR_TO_PROTO);

export function constraintToProto({ key, operator, values }: Constraint): PbConstraint {
  return create(ConstraintSchema, { key, operator: OPERATOR_TO_PROTO[operator], values: [...values] });
}

/** Undefined for an operator that is not set or of a newer peer. */
export function constraintFromProto({ key, operator, values }: PbConstraint): Constraint | undefined {
  const known = OPERATOR_FROM_PROTO.get(operator);
  return known === undefined ? undefined : { key, operator: known, values: [...values] };
}
