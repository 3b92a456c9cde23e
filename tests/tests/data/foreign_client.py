"""Asks a daemon for its health and its services with the Python gRPC libraries, knowing nothing but the address.

Learns atelier.v1.Atelier by reflection and calls it. Exits with 0 when all is as it should be, with 77 when the
libraries are not installed.
"""

import sys

try:
    import grpc
    from google.protobuf import descriptor_pool, message_factory
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
except ImportError as missing:
    print(missing, file=sys.stderr)
    sys.exit(77)

channel = grpc.insecure_channel(sys.argv[1])
grpc.channel_ready_future(channel).result(timeout=20)

health = health_pb2_grpc.HealthStub(channel)
SERVING = health_pb2.HealthCheckResponse.SERVING
for service in ("", "atelier.v1.Atelier"):
    answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=20)
    assert answer.status == SERVING, (service, answer)
watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=20)
assert next(watch).status == SERVING
watch.cancel()
try:
    health.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=20)
    raise AssertionError("an unknown service has a health")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.NOT_FOUND, error

database = ProtoReflectionDescriptorDatabase(channel)
services = set(database.get_services())
assert {"atelier.v1.Atelier", "grpc.health.v1.Health"} <= services, services
pool = descriptor_pool.DescriptorPool(database)
service = pool.FindServiceByName("atelier.v1.Atelier")


def call(name, **fields):
    method = service.FindMethodByName(name)
    ask, answer = (message_factory.GetMessageClass(kind) for kind in (method.input_type, method.output_type))
    rpc = channel.unary_unary(
        f"/atelier.v1.Atelier/{name}", request_serializer=ask.SerializeToString, response_deserializer=answer.FromString
    )
    return rpc(ask(**fields), timeout=20)


assert call("GetServer").role == "admin"
assert "great-wave" in [style.name for style in call("ListStyles").styles]
try:
    call("GetJob", id="00000000")
    raise AssertionError("a job that is not there was found")
except grpc.RpcError as error:
    assert error.code() == grpc.StatusCode.NOT_FOUND, error
    assert dict(error.trailing_metadata())["atelier-code"] == "job_not_found", error
