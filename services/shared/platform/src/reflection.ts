import { createRegistry, type DescFile, type DescService, type Registry, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, type ConnectRouter } from "@connectrpc/connect";
import { ServerReflection, type ServerReflectionRequest } from "@skrei/proto/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "@skrei/proto/grpc/reflection/v1alpha/reflection_pb.ts";

/** gRPC server reflection, v1 and v1alpha (older tools), of these services: `buf curl` and grpcurl then need no .proto files. */
export function reflectionRoutes(router: ConnectRouter, services: readonly DescService[]): void {
  const index = indexOf([...services, ServerReflection, ServerReflectionAlpha]);
  const answer = async function* (requests: AsyncIterable<Asked>) {
    for await (const request of requests)
      yield { validHost: request.host, originalRequest: request, messageResponse: respond(request, index) };
  };
  // The two versions differ in their package name alone.
  router.service(ServerReflection, { serverReflectionInfo: (requests) => answer(requests) as never });
  router.service(ServerReflectionAlpha, { serverReflectionInfo: (requests) => answer(requests as AsyncIterable<never>) as never });
}

type Asked = Pick<ServerReflectionRequest, "host" | "messageRequest">;

interface Index {
  readonly services: readonly DescService[];
  readonly files: ReadonlyMap<string, DescFile>;
  /** By full name of a message, enum, extension, service or method. */
  readonly symbols: ReadonlyMap<string, DescFile>;
  readonly registry: Registry;
}

function indexOf(services: readonly DescService[]): Index {
  const files = new Map<string, DescFile>();
  for (const service of services) collect(service.file, files);
  const symbols = new Map<string, DescFile>();
  for (const file of files.values()) {
    for (const name of symbolsOf(file)) symbols.set(name, file);
  }
  return { services, files, symbols, registry: createRegistry(...files.values()) };
}

function symbolsOf(file: DescFile): string[] {
  return [...nestedTypes(file)].flatMap((type) =>
    type.kind === "service" ? [type.typeName, ...type.methods.map(({ name }) => `${type.typeName}.${name}`)] : [type.typeName],
  );
}

function respond({ messageRequest: asked }: Asked, index: Index): object {
  switch (asked.case) {
    case "listServices":
      return { case: "listServicesResponse", value: { service: index.services.map(({ typeName }) => ({ name: typeName })) } };
    case "fileByFilename":
      return fileResponse(index.files.get(asked.value), asked.value);
    case "fileContainingSymbol":
      return fileResponse(index.symbols.get(asked.value), asked.value);
    case "fileContainingExtension": {
      const extendee = index.registry.getMessage(asked.value.containingType);
      const extension = extendee === undefined ? undefined : index.registry.getExtensionFor(extendee, asked.value.extensionNumber);
      return fileResponse(extension?.file, `extension ${asked.value.extensionNumber} of ${asked.value.containingType}`);
    }
    case "allExtensionNumbersOfType":
      return {
        case: "allExtensionNumbersResponse",
        value: { baseTypeName: asked.value, extensionNumber: extensionNumbers(index.registry, asked.value) },
      };
    case undefined:
      return errorResponse(Code.InvalidArgument, "the request asks for nothing");
  }
}

function extensionNumbers(registry: Registry, typeName: string): number[] {
  return [...registry].flatMap((type) => (type.kind === "extension" && type.extendee.typeName === typeName ? [type.number] : []));
}

function fileResponse(file: DescFile | undefined, asked: string): object {
  if (file === undefined) return errorResponse(Code.NotFound, `${asked} is not known here`);
  const files = new Map<string, DescFile>();
  collect(file, files);
  return {
    case: "fileDescriptorResponse",
    value: { fileDescriptorProto: [...files.values()].map(({ proto }) => toBinary(FileDescriptorProtoSchema, proto)) },
  };
}

function errorResponse(errorCode: Code, errorMessage: string): object {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

/** The file first, then what it imports: clients need both to build it. */
function collect(file: DescFile, into: Map<string, DescFile>): void {
  if (into.has(file.proto.name)) return;
  into.set(file.proto.name, file);
  for (const dependency of file.dependencies) collect(dependency, into);
}
