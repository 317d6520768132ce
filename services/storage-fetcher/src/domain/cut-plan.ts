/** A file as a division by lines or bytes sees it. */
export interface CuttableFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** Bytes of the header lines at its head, which are not divided. */
  readonly headBytes: number;
}

/** A place between two bytes of a list of files. */
export interface CutPoint {
  /** Of the file; the number of files for the end. */
  readonly index: number;
  /** From the start of the file. */
  readonly offset: number;
}

/** What a partition gets of one file: from `offset` on, behind its head. */
export interface FilePiece {
  readonly path: string;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly headBytes: number;
  /** Of the whole file. */
  readonly sourceBytes: number;
}

/** Where partition `index` of `count` begins when all get as many bytes; whoever divides moves it to the start of a line or record. */
export function cutPoint(files: readonly CuttableFile[], { index, count }: { readonly index: number; readonly count: number }): CutPoint {
  if (index <= 0) return { index: 0, offset: 0 };
  if (index >= count) return { index: files.length, offset: 0 };
  const totalBytes = files.reduce((sum, file) => sum + dividedBytes(file), 0);
  let leftBytes = Number((BigInt(totalBytes) * BigInt(index)) / BigInt(count));
  for (const [at, file] of files.entries()) {
    const sizeBytes = dividedBytes(file);
    if (leftBytes < sizeBytes) return { index: at, offset: file.headBytes + leftBytes };
    leftBytes -= sizeBytes;
  }
  return { index: files.length, offset: 0 };
}

/** The record's start at or before a point. */
export function recordStart(point: CutPoint, recordBytes: number): CutPoint {
  return { index: point.index, offset: point.offset - (point.offset % recordBytes) };
}

/** Everything from one point up to another. A file of which nothing is divided belongs to where it lies, as a whole. */
export function piecesBetween(files: readonly CuttableFile[], from: CutPoint, to: CutPoint): readonly FilePiece[] {
  return files.flatMap((file, index): FilePiece[] => {
    const { path, headBytes, sizeBytes } = file;
    if (index < from.index || index > to.index) return [];
    const start = index === from.index ? Math.max(from.offset, headBytes) : headBytes;
    const end = index === to.index ? Math.max(to.offset, headBytes) : sizeBytes;
    const isWhole = dividedBytes(file) === 0 && index < to.index && (index > from.index || from.offset <= headBytes);
    return end > start || isWhole ? [{ path, offset: start, sizeBytes: end - start, headBytes, sourceBytes: sizeBytes }] : [];
  });
}

function dividedBytes({ sizeBytes, headBytes }: CuttableFile): number {
  return sizeBytes - headBytes;
}
