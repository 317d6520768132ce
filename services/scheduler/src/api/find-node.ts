import { DomainError } from "@skrei/domain";
import { closestNames, describeNames } from "../domain/closest-names.ts";
import type { LeaderCommands, NodeView } from "../ports.ts";

/**
 * The node that `reference` names: an id, a unique prefix of at least 4 characters after `n-`, or an exact name.
 * @throws DomainError notFound/NODE_NOT_FOUND, precondition/NODE_AMBIGUOUS; candidates are in the metadata.
 */
export function findNode(commands: LeaderCommands, reference: string): NodeView {
  const views = commands.nodes();
  const matching = views.filter(({ node }) => node.id === reference || (ID_PREFIX.test(reference) && node.id.startsWith(reference)));
  const found = matching.length > 0 ? matching : views.filter(({ node }) => node.name === reference);
  const [first] = found;
  if (found.length > 1) throw ambiguous(reference, found);
  if (first === undefined) throw notFound(reference, views);
  return first;
}

function ambiguous(reference: string, found: readonly NodeView[]): DomainError {
  const candidates = describeNames(found.slice(0, 10).map(({ node }) => node));
  return new DomainError("precondition", "NODE_AMBIGUOUS", `"${reference.slice(0, 80)}" names ${found.length} nodes.`, {
    metadata: { candidates },
    hint: `Use more characters of the id: ${candidates}.`,
  });
}

function notFound(reference: string, views: readonly NodeView[]): DomainError {
  const candidates = describeNames(
    closestNames(
      reference,
      views.slice(0, 1_000).map(({ node }) => node),
    ),
  );
  return new DomainError("notFound", "NODE_NOT_FOUND", `No node has the id, prefix or name "${reference.slice(0, 80)}".`, {
    metadata: { candidates },
    hint: candidates === "" ? "List the nodes to see what there is." : `Closest: ${candidates}.`,
  });
}

const ID_PREFIX = /^n-[0-9a-hjkmnp-tv-z]{4,26}$/u;
