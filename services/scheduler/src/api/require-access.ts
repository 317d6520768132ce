import type { DescService } from "@bufbuild/protobuf";
import type { HandlerContext, ServiceImpl } from "@connectrpc/connect";
import { DomainError } from "@skrei/domain";
import { isSameSecret } from "@skrei/platform/signed-link.ts";

type Handler = (request: unknown, context: HandlerContext) => unknown;

/**
 * The same service, every method of it refusing callers without the token. Wraps the service as a whole and not methods by name,
 * so that a method added later is closed too. No token configured: everybody may call.
 */
export function requireAccess<Service extends DescService>(
  service: ServiceImpl<Service>,
  accessToken: string | undefined,
): ServiceImpl<Service> {
  if (accessToken === undefined || accessToken === "") return service;
  const guarded = Object.entries(service as Record<string, Handler>).map(([name, handle]): [string, Handler] => [
    name,
    (request, context) => {
      checkToken(context.requestHeader.get("authorization"), accessToken);
      return handle(request, context);
    },
  ]);
  return Object.fromEntries(guarded) as ServiceImpl<Service>;
}

function checkToken(header: string | null, accessToken: string): void {
  const given = header !== null && /^bearer /iu.test(header) ? header.slice("bearer ".length).trim() : "";
  if (isSameSecret(given, accessToken)) return;
  throw new DomainError(
    "unauthenticated",
    "TOKEN_INVALID",
    given === "" ? "This cluster asks for an access token and none came." : "The access token is wrong.",
    {
      hint: "Send it as `authorization: Bearer TOKEN`.",
    },
  );
}
