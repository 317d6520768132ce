import { createTarPacker, type TarPackController } from "modern-tar";
import type { TreeEntry } from "./tree-entries.ts";

/**
 * A tar (POSIX, with PAX records where names are long) of `entries` in their order. The same entries and `mtimeMs` give the same bytes:
 * owner and modes are fixed. Links stay links.
 */
export async function* packTar(entries: AsyncIterable<TreeEntry>, mtimeMs: number): AsyncGenerator<Uint8Array> {
  const { readable, controller } = createTarPacker();
  const feeding = feed(controller, entries, new Date(mtimeMs)).catch((error: unknown) => controller.error(error));
  try {
    // Leaving it cancels it, which ends the feeding.
    yield* readable;
  } finally {
    await feeding;
  }
}

async function feed(controller: TarPackController, entries: AsyncIterable<TreeEntry>, mtime: Date): Promise<void> {
  for await (const entry of entries) {
    const writer = controller.add(headerOf(entry, mtime)).getWriter();
    // Both hear of a failure; one is enough.
    writer.closed.catch(() => undefined);
    if (entry.kind === "file") for await (const piece of entry.open()) await writer.write(piece);
    await writer.close();
  }
  controller.finalize();
}

function headerOf(entry: TreeEntry, mtime: Date): Parameters<TarPackController["add"]>[0] {
  const shared = { mtime, uid: 0, gid: 0 };
  switch (entry.kind) {
    case "folder":
      return { ...shared, type: "directory", name: `${entry.path}/`, size: 0, mode: 0o755 };
    case "symlink":
      return { ...shared, type: "symlink", name: entry.path, linkname: entry.linkTarget, size: 0, mode: 0o777 };
    case "file":
      return { ...shared, type: "file", name: entry.path, size: entry.sizeBytes, mode: 0o644 };
  }
}
