import { DomainError } from "@skrei/domain";

/** What the disk refused, with what to do: all of it is taken up again by the same command. */
export function asDiskError(error: unknown, path: string): unknown {
  const hint = error instanceof Error && "code" in error ? HINTS[String(error.code)] : undefined;
  if (hint === undefined) return error;
  return new DomainError("precondition", "FIELD_INVALID", `${path} cannot be written: ${hint[0]}.`, {
    hint: `${hint[1]} What was whole is kept.`,
    cause: error,
  });
}

const GO_ON = "then run the same command again: it goes on where it was.";
const HINTS: Readonly<Record<string, readonly [string, string]>> = {
  ENOSPC: ["the disk is full", `Free some space, ${GO_ON}`],
  EDQUOT: ["the disk quota is used up", `Free some space, ${GO_ON}`],
  EFBIG: ["it is larger than a file may be there", "Download to another file system with --to."],
  EROFS: ["the file system is read-only", "Download to another folder with --to."],
  EACCES: ["permission is denied", `Make the folder writable (chmod u+w) or choose another with --to, ${GO_ON}`],
  EPERM: ["permission is denied", `Make the folder writable (chmod u+w) or choose another with --to, ${GO_ON}`],
  ENAMETOOLONG: ["the path is too long for this system", "Choose a shorter folder with --to."],
  ENOENT: ["the folder is gone, or the system takes none there", "Choose another folder with --to."],
  EEXIST: ["a file or a link stands where a folder belongs", "Move it away, or choose another folder with --to."],
  ENOTDIR: ["a file or a link stands where a folder belongs", "Move it away, or choose another folder with --to."],
  EILSEQ: ["the file system does not take the name", "Download to another file system with --to."],
  EXDEV: ["it is on another file system than the download", "Download to a folder that has no mount points below."],
  EMFILE: ["too many files are open", `Raise the limit (ulimit -n), ${GO_ON}`],
};
