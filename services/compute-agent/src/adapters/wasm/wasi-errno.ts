/** Error numbers of WASI snapshot_preview1 that this host answers with. */
export const ERRNO = {
  SUCCESS: 0,
  E2BIG: 1,
  EACCES: 2,
  EAGAIN: 6,
  EBADF: 8,
  EBUSY: 10,
  EEXIST: 20,
  EFAULT: 21,
  EFBIG: 22,
  EILSEQ: 25,
  EINTR: 27,
  EINVAL: 28,
  EIO: 29,
  EISDIR: 31,
  ELOOP: 32,
  EMFILE: 33,
  EMLINK: 34,
  ENAMETOOLONG: 37,
  ENFILE: 41,
  ENOENT: 44,
  ENOMEM: 48,
  ENOSPC: 51,
  ENOSYS: 52,
  ENOTDIR: 54,
  ENOTEMPTY: 55,
  ENOTSOCK: 57,
  ENOTSUP: 58,
  EOVERFLOW: 61,
  EPERM: 63,
  EPIPE: 64,
  EROFS: 69,
  ESPIPE: 70,
  EXDEV: 75,
  ENOTCAPABLE: 76,
} as const;

export type ErrnoName = keyof typeof ERRNO;

/** Ends a system call with this error number; the guest sees it as the call's answer. */
export class WasiError extends Error {
  override readonly name = "WasiError";
  readonly errno: ErrnoName;

  constructor(errno: ErrnoName) {
    super(errno);
    this.errno = errno;
  }
}

/** The number a guest gets for `error`, or undefined when it is not the guest's to handle. */
export function errnoOf(error: unknown): number | undefined {
  if (error instanceof WasiError) return ERRNO[error.errno];
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return undefined;
  if (error.code === "ERR_INVALID_ARG_VALUE") return ERRNO.EILSEQ;
  if (!("syscall" in error)) return undefined;
  return Object.hasOwn(ERRNO, error.code) ? ERRNO[error.code as ErrnoName] : ERRNO.EIO;
}
