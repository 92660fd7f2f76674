// Asks a gRPC server for its health: use_grpc.mjs HOST.
import grpc from "@grpc/grpc-js";

const client = new grpc.Client(`${process.argv[2]}:443`, grpc.credentials.createSsl());
const metadata = new grpc.Metadata();
metadata.set("authorization", "Bearer of-the-program");
const same = (bytes) => bytes;
const deadline = Date.now() + 20_000;
client.makeUnaryRequest("/grpc.health.v1.Health/Check", same, same, Buffer.alloc(0), metadata, { deadline }, (error, answer) => {
  console.log(error ? `${error.code} ${error.details}` : answer.equals(Buffer.from([8, 1])) ? "SERVING" : answer);
  client.close();
});
