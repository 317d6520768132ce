import { type AddressClass, parseHostRule } from "@skrei/domain";
import { expect, test } from "vitest";
import { connectThrough, type DoorKey, getThrough } from "../kit/door-client.ts";
import { FORBIDDEN_SPELLINGS } from "../kit/forbidden-addresses.ts";
import { useLab } from "../kit/use-lab.ts";

const STRICT = { domains: ["*"] };
const OPEN = { domains: ["*"], allowedNetworks: ["0.0.0.0/0", "::/0"] };
const under = useLab(OPEN);
/** What no operator can open. */
const NEVER: readonly AddressClass[] = ["loopback", "unspecified", "multicast", "metadata"];
/** What a job can list where the operator opens everything else. */
const LISTABLE = [
  ...new Set(FORBIDDEN_SPELLINGS.filter(({ addressClass }) => !NEVER.includes(addressClass)).map(({ address }) => address)),
].filter(isRule);

test("the corpus is as large as it has to be", () => {
  expect(new Set(FORBIDDEN_SPELLINGS.map(({ text }) => text)).size).toBeGreaterThanOrEqual(200);
});

test("no spelling of a forbidden address leads anywhere, by CONNECT or by URI, though the job lists it and the operator lists every name", async () => {
  const { lab, proxy } = under();
  await proxy.setPolicy({ ...OPEN, connectionsMax: 255 });
  // Two doors: refusals of one come at a pace.
  const door = await proxy.openDoor({ domains: [".example.com", ...LISTABLE] });
  const plainDoor = await proxy.openDoor({ domains: [".example.com", ...LISTABLE] });
  await proxy.setPolicy(STRICT);
  const wrong: string[] = [];
  for (const { text } of FORBIDDEN_SPELLINGS)
    for (const [way, verdict] of [
      ["CONNECT", await verdictOf(connect(door, `${text}:443`))],
      ["CONNECT 80", await verdictOf(connect(door, `${text}:80`))],
      ["GET", await verdictOf(getThrough(plainDoor, `http://${text}/`))],
      ["GET 443", await verdictOf(getThrough(plainDoor, `http://${text}:443/`))],
      ["GET of another Host", await verdictOf(getThrough(plainDoor, `http://${text}/`, { host: "example.com" }))],
    ] as const)
      if (!/^(400|403|cut)$/u.test(verdict)) wrong.push(`${way} ${JSON.stringify(text)}: ${verdict}`);
  expect(wrong).toEqual([]);
  expect(await lab.takeSightings()).toEqual({ canaries: [], connections: [], requests: [], queries: {} });
});

test("an operator who opens them all is obeyed, and the canaries see it, so the others would be seen too", async () => {
  const { lab, proxy } = under();
  await proxy.setPolicy({ ...OPEN, connectionsMax: 254 });
  const door = await proxy.openDoor({ domains: LISTABLE });
  const asked = LISTABLE.map(
    async (address) => await verdictOf(getThrough(door, `http://${address.includes(":") ? `[${address}]` : address}/`)),
  );
  const seen = new Set<string>();
  await expect
    .poll(
      async () => {
        for (const { address, bytes } of (await lab.takeSightings()).canaries) if (bytes > 0) seen.add(address);
        return seen.size;
      },
      { timeout: 10_000 },
    )
    .toBeGreaterThan(20);
  await proxy.api.closeDoor(door);
  await Promise.all(asked);
});

/** A refusal may also be the end of the connection: some spellings are no request at all. */
async function verdictOf(answer: Promise<{ readonly status: number }>): Promise<string> {
  return await answer.then(
    ({ status }) => String(status),
    (error: unknown) => (String(error).includes("without an answer") ? "cut" : String(error)),
  );
}

async function connect(door: DoorKey, target: string): Promise<{ readonly status: number }> {
  const answer = await connectThrough(door, target);
  answer.socket.destroy();
  return answer;
}

function isRule(address: string): boolean {
  try {
    return parseHostRule(address).kind === "address";
  } catch {
    return false; // The URI alone can name it.
  }
}
