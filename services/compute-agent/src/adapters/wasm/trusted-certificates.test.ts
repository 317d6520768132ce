import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("a machine without certificates trusts Node's list, as an empty one would trust nobody", async () => {
  const module = fileURLToPath(new URL("trusted-certificates.ts", import.meta.url));
  const script = `const tls = require("node:tls"); let given; const create = tls.createSecureContext;
    tls.createSecureContext = (options) => { given = options.ca; return create(options); };
    require("node:module").syncBuiltinESMExports();
    import(process.argv[1]).then(({ trustedCertificates }) => {
      trustedCertificates([])();
      const bundled = new Set(tls.getCACertificates("bundled"));
      console.log(tls.getCACertificates("system").length, given.length === bundled.size && given.every((text) => bundled.has(text)));
    });`;
  const env = { PATH: process.env["PATH"], SSL_CERT_FILE: "/nonexistent", SSL_CERT_DIR: "/nonexistent" };
  const { stdout } = await promisify(execFile)(process.execPath, ["-e", script, module], { env, timeout: 20_000 });
  expect(stdout).toBe("0 true\n");
});
