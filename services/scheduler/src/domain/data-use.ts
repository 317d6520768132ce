import type { Execution, InputUse, Transfer } from "@skrei/domain";

/** The same execution when its inputs are known already. */
export function withInputs(execution: Execution, inputs: readonly InputUse[] | undefined): Execution {
  return execution.inputs !== undefined || inputs === undefined || inputs.length === 0 ? execution : { ...execution, inputs };
}

/** The same execution when nothing differs. */
export function withTransfer(execution: Execution, transfer: Transfer | undefined): Execution {
  const { transfer: known, ...rest } = execution;
  if (isSame(known, transfer)) return execution;
  return transfer === undefined ? rest : { ...rest, transfer };
}

function isSame(a: Transfer | undefined, b: Transfer | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  const { waiting, ...moving } = a;
  const { waiting: otherWaiting, ...otherMoving } = b;
  return haveSame(moving, otherMoving) && haveSame(waiting ?? {}, otherWaiting ?? {});
}

function haveSame(a: object, b: object): boolean {
  const others = new Map<string, unknown>(Object.entries(b));
  return Object.keys(a).length === others.size && Object.entries(a).every(([key, value]) => others.get(key) === value);
}
