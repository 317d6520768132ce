/** One element of a document; attributes are dropped. */
export interface XmlElement {
  readonly name: string;
  /** Its own text, without that of its children. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

/**
 * Reads the small part of XML that S3 servers speak: elements, attributes (skipped), text, the five named entities and character
 * references. Everything that can grow or reach outside (DOCTYPE, entities, CDATA, instructions) is refused, so a document never
 * becomes larger than its text. Linear in the length of `text`, which the caller bounds.
 * @throws SyntaxError saying where.
 */
export function parseXml(text: string): XmlElement {
  const root: OpenElement = { name: "", texts: [], children: [] };
  const open: OpenElement[] = [root];
  let elements = 0;
  let at = /^\uFEFF?\s*(?:<\?xml[^<>]{0,200}\?>)?/u.exec(text)?.[0].length ?? 0;
  while (at < text.length) {
    const tagAt = text.indexOf("<", at);
    addText(open, text.slice(at, tagAt === -1 ? undefined : tagAt));
    if (tagAt === -1) break;
    const tag = tagAtPosition(text, tagAt);
    if (++elements > ELEMENTS_MAX) throw new SyntaxError(`more than ${ELEMENTS_MAX} tags`);
    takeTag(open, tag);
    at = tagAt + tag.length;
  }
  const [document, ...others] = root.children;
  if (open.length !== 1 || document === undefined || others.length > 0) throw new SyntaxError("not one whole document");
  return document;
}

/** Text of the first child by that name; "" when there is none. */
export function childText(element: XmlElement, name: string): string {
  return element.children.find((child) => child.name === name)?.text ?? "";
}

/** Text as the content of an element. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>\r]/gu, (char) => `&#${char.charCodeAt(0)};`);
}

interface OpenElement {
  readonly name: string;
  readonly texts: string[];
  readonly children: XmlElement[];
}

interface Tag {
  readonly name: string;
  readonly kind: "open" | "close" | "empty";
  readonly length: number;
}

function tagAtPosition(text: string, position: number): Tag {
  TAG.lastIndex = position;
  const match = TAG.exec(text);
  if (match === null) throw new SyntaxError(`no tag that is understood at character ${position}`);
  const [whole, slash, name = "", empty] = match;
  if (slash === "/") return { name, kind: "close", length: whole.length };
  return { name, kind: empty === "/" ? "empty" : "open", length: whole.length };
}

function takeTag(open: OpenElement[], { name, kind }: Tag): void {
  const parent = open.at(-1);
  if (kind === "empty") parent?.children.push({ name, text: "", children: [] });
  if (kind === "open") {
    if (open.length > DEPTH_MAX) throw new SyntaxError(`deeper than ${DEPTH_MAX} elements`);
    open.push({ name, texts: [], children: [] });
  }
  if (kind === "close") {
    const closed = open.pop();
    if (closed?.name !== name || open.length === 0) throw new SyntaxError(`</${name.slice(0, 64)}> closes nothing`);
    open.at(-1)?.children.push({ name, text: closed.texts.join(""), children: closed.children });
  }
}

function addText(open: readonly OpenElement[], raw: string): void {
  if (raw === "") return;
  if (open.length === 1) {
    if (raw.trim() !== "") throw new SyntaxError("text outside of the document");
    return;
  }
  open.at(-1)?.texts.push(raw.includes("&") ? raw.replace(/&([^;&]{0,10};)?/gu, decodeReference) : raw);
}

function decodeReference(_whole: string, body = ""): string {
  const name = body.slice(0, -1);
  const char = NAMED[name] ?? codePoint(name);
  if (char === undefined) throw new SyntaxError(`unknown reference &${name}`);
  return char;
}

function codePoint(name: string): string | undefined {
  const match = /^#(?:(\d{1,7})|x([0-9a-f]{1,6}))$/iu.exec(name);
  if (match === null) return undefined;
  const code = match[1] === undefined ? Number.parseInt(match[2] ?? "", 16) : Number(match[1]);
  return code > 0x10_ffff ? undefined : String.fromCodePoint(code);
}

const TAG = /<(\/?)([A-Za-z_][\w:.-]*)(?:\s+[\w:.-]+\s*=\s*(?:"[^"<]*"|'[^'<]*'))*\s*(\/?)>/uy;
const NAMED: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
/** A page of 1,000 objects with owner and checksums has about 24,000 tags. */
const ELEMENTS_MAX = 200_000;
const DEPTH_MAX = 16;
