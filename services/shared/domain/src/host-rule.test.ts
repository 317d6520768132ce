import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FORBIDDEN_SPELLINGS } from "../../../../test/kit/forbidden-addresses.ts";
import { classifyAddress } from "./address-class.ts";
import { DomainError } from "./errors.ts";
import { canonicalHost, coversRule, formatHost, formatHostRule, matchesHost, parseHostRule } from "./host-rule.ts";
import type { CanonicalHost, HostRule } from "./host-rule.ts";

describe("canonicalHost", () => {
  test.each([
    ["API.Example.com.", "api.example.com"],
    ["bücher.example", "xn--bcher-kva.example"],
    ["BÜCHER.example", "xn--bcher-kva.example"],
    ["xn--bcher-kva.example", "xn--bcher-kva.example"],
    ["faß.example", "xn--fa-hia.example"],
    ["ｅｘａｍｐｌｅ．ｃｏｍ", "example.com"],
    ["example。com", "example.com"],
    ["ex\u00adample.com", "example.com"],
    ["_dmarc.example.com", "_dmarc.example.com"],
    ["a--b.example", "a--b.example"],
    ["localhost", "localhost"],
    ["1and1.example", "1and1.example"],
    ["127.0.0.1.nip.test", "127.0.0.1.nip.test"],
    [`${"a".repeat(63)}.test`, `${"a".repeat(63)}.test`],
  ])("reads %j as the name %s", (text, host) => {
    expect(canonicalHost(text)).toEqual({ kind: "name", host });
  });

  test.each([
    "",
    ".",
    "..",
    ".example.com",
    "example..com",
    "example.com..",
    "a b",
    "a\tb",
    "a\nb",
    "a\0b",
    "a\u0085b",
    "a\u00a0b",
    "a\u2028b",
    "a/b",
    "a\\b",
    "a?b",
    "a#b",
    "a@b",
    "a:b",
    "a:80",
    "a%62",
    "%61",
    "*",
    "*.example.com",
    "a*b",
    "[a]",
    "[",
    "]",
    "a,b",
    "a;b",
    "a'b",
    "a|b",
    "-a.example",
    "a-.example",
    "a.-",
    "xn--",
    "xn--a\u0301",
    "foo.1",
    "foo.0x1",
    "1.2.3.4.5",
    "256.1.1.1",
    "0x100000000",
    "9".repeat(400),
    `${"a".repeat(64)}.test`,
    `${"abc.".repeat(63)}test`,
    "a.".repeat(1000),
    `${"文".repeat(127)}.test`,
    "\ud800",
    "\u200d",
    "http://a",
    "//a",
    "a&b=c",
    "(a)",
    "${a}",
  ])("reads %j as no host", (text) => {
    expect(canonicalHost(text)).toBeUndefined();
  });

  test("reads each forbidden spelling as the address that it means, or as no host, and never as a name", () => {
    expect(FORBIDDEN_SPELLINGS.length).toBeGreaterThanOrEqual(250);
    const wrong = FORBIDDEN_SPELLINGS.filter(({ text, address, addressClass }) => {
      const host = canonicalHost(text);
      if (host === undefined) return false;
      return host.kind === "name" || host.address !== address || classifyAddress(address) !== addressClass;
    });
    expect(wrong).toEqual([]);
  });

  test("is done in one pass: a second one changes nothing", () => {
    fc.assert(
      fc.property(hostText, (text) => {
        const host = canonicalHost(text);
        if (host === undefined) return;
        expect(canonicalHost(formatHost(host))).toEqual(host);
        expect(formatHost(host)).toMatch(/^[a-z0-9_.:-]{1,253}$/u);
      }),
      { numRuns: 20_000 },
    );
  });
});

describe("parseHostRule", () => {
  test.each([
    ["Example.com.", "example.com"],
    [".Example.com", ".example.com"],
    [".example.com.", ".example.com"],
    [".bücher.example", ".xn--bcher-kva.example"],
    ["192.0.2.7", "192.0.2.7"],
    ["[2001:db8::7]", "2001:db8::7"],
    ["localhost", "localhost"],
    [".test", ".test"],
    ["*", "*"],
  ])("reads %s as %s", (text, canonical) => {
    expect(formatHostRule(parseHostRule(text))).toBe(canonical);
  });

  test.each([
    ["", "missing; allowed: a name such as example.com, .example.com for the name and all below it, or an address"],
    ["*.example.com", "without wildcards"],
    [".*", "without wildcards"],
    ["https://example.com", "without a scheme"],
    ["example.com:443", "without a port"],
    ["[::1]:443", "without a port"],
    ["example.com/", "without a path"],
    ["10.0.0.0/8", "networks are opened by the node's operator"],
    ["0x7f.1", 'allowed: "127.0.0.1", which is what it means'],
    ["2001:DB8::7", 'allowed: "2001:db8::7", which is what it means'],
    ["::ffff:8.8.8.8", 'allowed: "8.8.8.8", which is what it means'],
    [".8.8.8.8", "allowed: a name"],
    ["a.test\r\nb.test", 'found "a.test\\r\\nb.test"; allowed: a name'],
    ["\u009b2Ja.test", 'found "\\u{9b}2Ja.test"; allowed: a name'],
    ["\u202eevil", 'found "\\u{202e}evil"; allowed: a name'],
    [`${"a".repeat(5000)}`, "… (5000 characters); allowed: a name"],
  ])("refuses %j and says what is allowed", (text, message) => {
    expect(() => parseHostRule(text)).toThrow(DomainError);
    expect(() => parseHostRule(text)).toThrow(message);
  });

  // With a regular expression that goes back, the first of these took a minute.
  test.each([":", "f:", "[", "]:1", ".", "%", "*", "1", "a/", "文"])("is done at once with 256 KiB of %j", (text) => {
    expect(() => parseHostRule(text.repeat(256 * 1024) + "/x")).toThrow(DomainError);
  });

  test("reads what formatHostRule writes", () => {
    fc.assert(
      fc.property(anyRule, (rule) => {
        expect(parseHostRule(formatHostRule(rule))).toEqual(rule);
      }),
      { numRuns: 2_000 },
    );
  });

  test("throws nothing but FIELD_INVALID, in visible characters, whatever the text", () => {
    fc.assert(
      fc.property(fc.oneof(hostText, fc.string({ unit: "binary" })), (text) => {
        try {
          parseHostRule(text);
        } catch (error) {
          if (!(error instanceof DomainError)) throw error;
          expect(error).toMatchObject({ kind: "invalid", reason: "FIELD_INVALID" });
          expect(error.message).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
        }
      }),
      { numRuns: 20_000 },
    );
  });
});

describe("a rule", () => {
  test.each([
    ["matches its own name", "example.com", "example.com", true],
    ["matches its name in other spellings", "example.com", "EXAMPLE.com.", true],
    ["without a dot does not match what is below", "example.com", "www.example.com", false],
    ["with a dot matches the name itself", ".example.com", "example.com", true],
    ["with a dot matches what is below", ".example.com", "www.example.com", true],
    ["with a dot matches what is far below", ".example.com", "a.b.c.example.com", true],
    ["does not match a name that only ends with it", ".example.com", "notexample.com", false],
    ["does not match a name that only begins with it", ".example.com", "example.com.evil.net", false],
    ["does not match the name above", ".www.example.com", "example.com", false],
    ["does not match a look-alike in another script", "example.com", "еxample.com", false],
    ["matches its address", "192.0.2.7", "192.0.2.7", true],
    ["matches its address in other spellings", "192.0.2.7", "0xc0.0.519", true],
    ["matches its IPv6 address in brackets", "2001:db8::7", "[2001:DB8:0::7]", true],
    ["of a name matches no address", ".test", "192.0.2.7", false],
    ["of all matches any name", "*", "a.b.c", true],
    ["of all matches no address", "*", "192.0.2.7", false],
  ])("%s", (_, rule, text, isMatch) => {
    const host = canonicalHost(text);
    expect(host !== undefined && matchesHost(parseHostRule(rule), host)).toBe(isMatch);
  });

  test.each([
    [".a.test", "a.test", true],
    [".a.test", ".a.test", true],
    [".a.test", ".b.a.test", true],
    [".a.test", "c.b.a.test", true],
    ["a.test", ".a.test", false],
    ["b.a.test", ".a.test", false],
    [".b.a.test", "a.test", false],
    [".a.test", "ba.test", false],
    ["*", ".test", true],
    ["*", "*", true],
    [".test", "*", false],
    ["*", "192.0.2.7", false],
    ["192.0.2.7", "192.0.2.7", true],
    ["192.0.2.7", "192.0.2.8", false],
  ])("%s covers %s: %s", (outer, inner, covers) => {
    expect(coversRule(parseHostRule(outer), parseHostRule(inner))).toBe(covers);
  });

  test("matches and covers as a slow reference does, over more than a million pairs", () => {
    let pairs = 0;
    fc.assert(
      fc.property(
        fc.array(anyRule, { minLength: 40, maxLength: 40 }),
        fc.array(anyHost, { minLength: 40, maxLength: 40 }),
        (rules, hosts) => {
          for (const rule of rules) {
            const matches = hosts.map((host) => matchesHost(rule, host));
            pairs += hosts.length + rules.length;
            expect(matches).toEqual(hosts.map((host) => slowlyMatches(rule, host)));
            for (const inner of rules) expectSound(rule, inner, { hosts, matches });
          }
        },
      ),
      { numRuns: 350 },
    );
    expect(pairs).toBeGreaterThan(1_000_000);
  });
});

/** What `inner` matches `outer` must match if it covers it; if it does not, there is something that only `inner` matches. */
function expectSound(
  outer: HostRule,
  inner: HostRule,
  { hosts, matches }: { readonly hosts: readonly CanonicalHost[]; readonly matches: readonly boolean[] },
): void {
  const covers = coversRule(outer, inner);
  const isSound = !covers || hosts.every((host, index) => matches[index] === true || !slowlyMatches(inner, host));
  const isComplete = covers || witnessesOf(inner).some((host) => slowlyMatches(inner, host) && !slowlyMatches(outer, host));
  if (!isSound || !isComplete) expect({ outer, inner, covers }).toBe("sound and complete");
}

function witnessesOf(rule: HostRule): readonly CanonicalHost[] {
  if (rule.kind === "address") return [rule];
  const host = rule.kind === "any" ? "unheard.of" : rule.host;
  return [
    { kind: "name", host },
    { kind: "name", host: `unheard-of.${host}` },
  ];
}

/** Label by label from the right. */
function slowlyMatches(rule: HostRule, host: CanonicalHost): boolean {
  if (rule.kind === "address" || host.kind === "address") return rule.kind === host.kind && rule.address === host.address;
  if (rule.kind === "any") return true;
  const wanted = rule.host.split(".").toReversed();
  const labels = host.host.split(".").toReversed();
  if (labels.length < wanted.length || (rule.kind === "exact" && labels.length > wanted.length)) return false;
  return wanted.every((label, index) => label === labels[index]);
}

/** Few labels, some of which end in others, so that pairs often nearly match. */
const name = fc
  .array(fc.constantFrom("a", "b", "ab", "a-b", "com", "xn--a-0ga"), { minLength: 1, maxLength: 4 })
  .map((labels) => labels.join("."));
const address = fc.constantFrom("192.0.2.7", "192.0.2.70", "10.0.0.1", "2001:db8::1", "::1");
const anyHost: fc.Arbitrary<CanonicalHost> = fc.oneof(
  { weight: 5, arbitrary: name.map((host) => ({ kind: "name", host }) as const) },
  { weight: 1, arbitrary: address.map((text) => ({ kind: "address", address: text }) as const) },
);
const anyRule: fc.Arbitrary<HostRule> = fc.oneof(
  { weight: 4, arbitrary: name.map((host) => ({ kind: "exact", host }) as const) },
  { weight: 4, arbitrary: name.map((host) => ({ kind: "subtree", host }) as const) },
  { weight: 1, arbitrary: address.map((text) => ({ kind: "address", address: text }) as const) },
  { weight: 1, arbitrary: fc.constant({ kind: "any" } as const) },
);
const hostText = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 30 }),
  fc.domain(),
  fc.ipV4Extended(),
  fc.ipV6().map((text) => `[${text}]`),
  fc.constantFrom(...FORBIDDEN_SPELLINGS.map(({ text }) => text)),
  fc
    .array(fc.constantFrom("a", "É", "ß", "。", ".", "-", "_", "xn--", "0x", "1", "255", "%41", "\u00ad", "[", "]", ":", "@", "\n"), {
      maxLength: 12,
    })
    .map((parts) => parts.join("")),
);
