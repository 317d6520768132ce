/** Who keeps a root in the content store. */
export type Keeper =
  | { readonly kind: "execution"; readonly id: string }
  | { readonly kind: "upload"; readonly cid: string }
  | { readonly kind: "pin"; readonly name: string };

/** Undefined for an owner of another making. */
export function keeperOf(owner: string): Keeper | undefined {
  const at = owner.indexOf(":");
  const rest = owner.slice(at + 1);
  if (rest === "") return undefined;
  switch (owner.slice(0, Math.max(0, at))) {
    case "execution":
      return { kind: "execution", id: rest };
    case "upload":
      return { kind: "upload", cid: rest };
    case "pin":
      return { kind: "pin", name: rest };
    default:
      return undefined;
  }
}

export function ownerOf(keeper: Keeper): string {
  switch (keeper.kind) {
    case "execution":
      return `execution:${keeper.id}`;
    case "upload":
      return `upload:${keeper.cid}`;
    case "pin":
      return `pin:${keeper.name}`;
  }
}
