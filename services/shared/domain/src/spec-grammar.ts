/** Undefined when `value` is allowed, else what is allowed, as the end of a sentence. All are linear in the length of `value`. */
export type Rule = (value: string) => string | undefined;

/** Names of jobs and namespaces. */
export const nameRule: Rule = (value) =>
  value.length <= 63 && /^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/u.test(value)
    ? undefined
    : "1 to 63 characters of a-z, 0-9, - and ., beginning and ending with a letter or digit";

/** What names a job: ids and prefixes of ids have the form of a name. */
export const jobReferenceRule: Rule = (value) =>
  nameRule(value) === undefined ? undefined : "the id of a job, a unique prefix of one, or a job's name";

/** Keys of labels, with an optional `prefix/`. */
export const labelKeyRule: Rule = (value) =>
  value.length <= 63 && /^(?:[a-z0-9][-a-z0-9.]*\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/u.test(value)
    ? undefined
    : "1 to 63 characters of letters, digits, -, _ and ., beginning and ending with a letter or digit, after an optional prefix such as example.com/";

export const labelValueRule: Rule = (value) =>
  value.length <= 63 && /^(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/u.test(value)
    ? undefined
    : "at most 63 characters of letters, digits, -, _ and ., beginning and ending with a letter or digit";

export const metaKeyRule: Rule = (value) =>
  /^[\x21-\x7e]{1,63}$/u.test(value) ? undefined : "1 to 63 printable ASCII characters without spaces";

export const envNameRule: Rule = (value) => {
  if (value.length > 255 || !/^[A-Za-z_][A-Za-z0-9_]*$/u.test(value))
    return "at most 255 letters, digits and _, not beginning with a digit";
  return /^(?:SKREI|BACALHAU)_/u.test(value) ? "names that do not begin with SKREI_ or BACALHAU_, which the system sets" : undefined;
};

/** Text that can be an argument or a variable of a program. */
export const textRule: Rule = (value) => (value.includes("\0") || !value.isWellFormed() ? "text in UTF-8 without NUL" : undefined);

export const outputNameRule: Rule = (value) =>
  /^[a-z0-9][a-z0-9._-]{0,62}$/u.test(value) ? undefined : "1 to 63 characters of a-z, 0-9, ., _ and -, beginning with a letter or digit";

/** An absolute, normalised path. */
export const absolutePathRule: Rule = (value) => {
  if (!value.startsWith("/") || value.length > 1024) return "an absolute path of at most 1,024 characters, such as /data";
  if (textRule(value) !== undefined) return "a path in UTF-8 without NUL";
  if (value === "/") return undefined;
  const isNormal = value
    .slice(1)
    .split("/")
    .every((part) => part !== "" && part !== "." && part !== "..");
  return isNormal ? undefined : "a normalised path: no .., no ., no // and no / at the end";
};

/** A path below a content id; empty is the content itself. */
export const relativePathRule: Rule = (value) => {
  if (value === "") return undefined;
  return absolutePathRule(`/${value}`) === undefined
    ? undefined
    : "a normalised path such as folder/file: no .., no ., no // and no / at its ends";
};

/** Where an input or output may be in a task. */
export const targetRule: Rule = (value) => {
  const problem = absolutePathRule(value);
  if (problem !== undefined) return problem;
  if (value === "/") return "a path below /, for / itself is the task's own";
  return RESERVED_PATHS.some((reserved) => isAtOrBelow(value, reserved))
    ? `a path outside ${RESERVED_PATHS.join(", ")}, which belong to the system`
    : undefined;
};

/** The grammar of the distribution project's reference package: `[host[:port]/]path[:tag][@digest]`. */
export const imageRule: Rule = (value) => {
  if (value === "") return "an image such as debian:13 (required)";
  if (looksLikeFile(value))
    return "an image such as debian:13; this looks like a file, and a job file is submitted with `skrei job run FILE`";
  return value.length <= 255 && IMAGE.test(value) ? undefined : "name[:tag] or name@digest, at most 255 characters, the name in lower case";
};

/** A light check: the store decides whether it has the content. */
export const contentIdRule: Rule = (value) => (/^b[a-z2-7]{8,127}$/u.test(value) ? undefined : "a CIDv1 in base32, such as bafy…");

export const sha256Rule: Rule = (value) => (/^(?:[0-9a-f]{64})?$/u.test(value) ? undefined : "64 digits of lower-case hex, or nothing");

export const urlRule: Rule = (value) => {
  const url = value.length <= 2048 && /^https?:\/\/[\x21-\x7e]+$/iu.test(value) ? URL.parse(value) : null;
  if (url === null || url.hostname === "") return "an http or https URL of at most 2,048 ASCII characters";
  return url.username === "" && url.password === "" ? undefined : "a URL without user name and password, for specs are shown to others";
};

/** `/a/b` is at or below `/a` and `/a/b`, not below `/a/bc`. */
export function isAtOrBelow(path: string, ancestor: string): boolean {
  return path === ancestor || path.startsWith(`${ancestor}/`);
}

const RESERVED_PATHS = ["/proc", "/sys", "/dev"] as const;

function looksLikeFile(image: string): boolean {
  return /^[.~/]/u.test(image) || /\.(?:json|ya?ml|wasm)$/iu.test(image);
}

const IMAGE = (() => {
  const host = String.raw`(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?`;
  const part = String.raw`[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*`;
  const digest = String.raw`[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-f]{32,128}`;
  return new RegExp(String.raw`^(?:${host}/)?${part}(?:/${part})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@${digest})?$`, "u");
})();
