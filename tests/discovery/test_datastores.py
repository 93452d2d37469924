"""Datastores and queues are called what they are, not where they run."""

from __future__ import annotations

from typing import Any

import pytest

from agentguard.graph.model import Graph
from agentguard.scan.pipeline import scan
from tests.discovery.recordings import dialects
from tests.discovery.scoped_spans import payload, protobuf_payload, span

SCOPE = "acme.desk"
AGENT = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "clerk"}
OUTSIDE = ("datastore", "queue", "external", "model")
AWS = {"rpc.system": "aws-api"}


def graph_of(*spans: dict[str, Any], scope: str = SCOPE) -> Graph:
    """The graph of these spans, which is the same from both encodings."""
    graph = scan([payload(scope, *spans)], dialects()).graph
    assert scan([protobuf_payload(scope, *spans)], dialects()).graph == graph
    return graph


def found(*spans: dict[str, Any], scope: str = SCOPE) -> set[tuple[str, str]]:
    """Kinds and names of what an agent, the first span, uses."""
    graph = graph_of(span(1, "invoke_agent clerk", attributes=AGENT), *spans, scope=scope)
    return {(str(c.kind), c.name) for c in graph.components if c.kind in OUTSIDE}


def called(name: str = "call", kind: str = "client", /, **more: Any) -> set[tuple[str, str]]:
    return found(span(2, name, parent=1, kind=kind, attributes=more))


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"db.system": "postgresql", "db.name": "shop", "net.peer.name": "10.0.0.7"}, "shop"),
        ({"db.system.name": "mysql", "db.namespace": "shop", "server.address": "db-1"}, "shop"),
        ({"db.system": "h2", "db.name": "shop", "db.sql.table": "orders"}, "shop"),
        ({"db.system": "mongodb", "db.mongodb.collection": "orders"}, "orders"),
        ({"db.system": "cassandra", "db.cassandra.table": "orders"}, "orders"),
        ({"db.system": "sqlite", "db.name": "/var/lib/desk/shop.db"}, "shop.db"),
        ({"db.system": "elasticsearch", "db.elasticsearch.path_parts.index": "books"}, "books"),
        ({"db.system": "elasticsearch", "elasticsearch.target": "books"}, "books"),
        (
            {
                "db.system.name": "elasticsearch",
                "db.namespace": "cluster-a",
                "db.collection.name": "books",
            },
            "books",
        ),
        ({"db.system": "cosmosdb", "db.name": "shop", "db.cosmosdb.container": "carts"}, "carts"),
        ({"db.system": "dynamodb", "aws.dynamodb.table_names": "orders"}, "orders"),
    ],
)
def test_a_database_is_called_by_its_name_before_its_host(
    attributes: dict[str, Any], name: str
) -> None:
    assert called(**{"server.address": "db.internal"} | attributes) == {("datastore", name)}


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"db.system": "postgresql", "db.name": "postgres", "server.address": "db-1"}, "db-1"),
        ({"db.system.name": "redis", "db.namespace": "0", "server.address": "cache"}, "cache"),
        ({"db.system": "redis", "net.peer.name": "sessions"}, "sessions"),
        ({"db.system": "redis", "server.address": "localhost"}, "redis"),
        ({"db.system": "redis", "network.peer.address": "127.0.0.1"}, "redis"),
        ({"db.system": "postgresql", "db.name": "postgres"}, "postgres"),
    ],
)
def test_a_database_that_each_server_has_is_called_by_its_host(
    attributes: dict[str, Any], name: str
) -> None:
    assert called(**attributes) == {("datastore", name)}


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("shop.c9akciq32rza.eu-west-1.rds.amazonaws.com", "shop"),
        ("master.sessions.abc123.euw1.cache.amazonaws.com", "sessions"),
        ("claims-westeurope.documents.azure.com", "claims"),
        ("bigquery.googleapis.com", "bigquery"),
        ("cluster0-shard-00-01.ab1cd.mongodb.net", "cluster0"),
    ],
)
def test_a_hosts_region_is_no_part_of_a_datastore(host: str, name: str) -> None:
    for key in ("server.address", "net.peer.name"):
        assert called(**{"db.system": "other_sql", key: host}) == {("datastore", name)}


def test_one_table_in_two_regions_is_one_datastore() -> None:
    calls = [
        span(number, "GetItem", parent=1, kind="client", attributes={"http.request.method": "POST"})
        for number in (2, 3)
    ]
    for call, region in zip(calls, ("eu-west-1", "us-east-1"), strict=True):
        host = {"stringValue": f"dynamodb.{region}.amazonaws.com"}
        call["attributes"].append({"key": "server.address", "value": host})

    assert found(*calls) == {("external", "dynamodb")}


QUEUE = "https://sqs.eu-central-1.amazonaws.com/123456789012/letters"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:letters"


@pytest.mark.parametrize(
    ("name", "kind", "attributes"),
    [
        ("SQS.SendMessage", "client", {"rpc.service": "SQS", "aws.queue_url": QUEUE}),
        ("SQS.SendMessage", "client", {"rpc.service": "SQS", "messaging.destination": "letters"}),
        ("Sqs.SendMessage", "client", {"rpc.service": "Sqs", "aws.queue.url": QUEUE}),
        ("SQS.SendMessage", "client", {"rpc.service": "AmazonSQS", "aws.queue.name": "letters"}),
        ("SQS.SendMessageBatch", "client", {"aws.sqs.queue.url": QUEUE}),
        ("letters send", "producer", {"rpc.service": "SNS", "messaging.destination": TOPIC}),
        ("SNS.Publish", "client", {"rpc.service": "SNS", "aws.sns.topic.arn": TOPIC}),
        ("Kinesis.PutRecord", "client", {"rpc.service": "Kinesis", "aws.stream.name": "letters"}),
        (
            "Kinesis.PutRecords",
            "client",
            {"rpc.service": "AmazonKinesis", "aws.kinesis.stream_name": "letters"},
        ),
    ],
)
def test_an_sdk_call_that_sends_is_a_queue(
    name: str, kind: str, attributes: dict[str, Any]
) -> None:
    method = name.partition(".")[2] or "Publish"
    host = {"server.address": "sqs.eu-central-1.amazonaws.com", "rpc.method": method}

    assert called(name, kind, **AWS | host | attributes) == {("queue", "letters")}


def test_receiving_and_deleting_are_no_messages() -> None:
    queue = AWS | {"rpc.service": "SQS", "aws.queue_url": QUEUE}
    poll = queue | {"rpc.method": "ReceiveMessage"}
    delete = queue | {"rpc.method": "DeleteMessage"}
    graph = graph_of(
        span(1, "SQS.ReceiveMessage", kind="client", attributes=poll),
        span(2, "SQS.DeleteMessage", kind="client", trace=2, attributes=delete),
    )

    assert {(c.kind, c.name) for c in graph.components} == {
        ("queue", "letters"),
        ("service", "desk"),
    }
    assert [(d.source, d.target) for d in graph.dependencies] == [("queue:letters", "service:desk")]
    assert not graph.workflows


def test_two_instrumentations_of_one_message_count_it_once() -> None:
    sent = {"messaging.system": "aws.sqs", "messaging.destination": "letters"}
    inner = AWS | {"rpc.service": "SQS", "rpc.method": "SendMessage", "aws.queue_url": QUEUE}
    graph = graph_of(
        span(1, "invoke_agent clerk", attributes=AGENT),
        span(2, "letters send", parent=1, kind="producer", attributes=sent),
        span(3, "SQS.SendMessage", parent=2, kind="client", attributes=inner),
    )

    assert [c.invocations for c in graph.components if c.kind == "queue"] == [1]


@pytest.mark.parametrize(
    ("name", "attributes", "expected"),
    [
        ("DynamoDB.GetItem", {"rpc.service": "DynamoDB"}, ("datastore", "DynamoDB")),
        (
            "DynamoDb.GetItem",
            {"rpc.service": "DynamoDb", "aws.table.name": "orders"},
            ("datastore", "orders"),
        ),
        (
            "DynamoDB.Query",
            {"db.system": "dynamodb", "aws.table_name": "orders"},
            ("datastore", "orders"),
        ),
        ("S3.GetObject", {"aws.s3.bucket": "scans"}, ("datastore", "scans")),
        (
            "S3.GetObject",
            {"rpc.service": "S3", "server.address": "scans.s3.eu-west-1.amazonaws.com"},
            ("datastore", "scans"),
        ),
        (
            "S3.ListBuckets",
            {"rpc.service": "Amazon S3", "server.address": "s3.eu-west-1.amazonaws.com"},
            ("datastore", "S3"),
        ),
        (
            "Secrets Manager.GetSecretValue",
            {
                "rpc.service": "Secrets Manager",
                "aws.secretsmanager.secret.arn": "arn:aws:secretsmanager:eu-west-1:123456789012"
                ":secret:prod/mail-a1B2c3",
            },
            ("datastore", "prod/mail"),
        ),
        (
            "Bedrock Runtime.Converse",
            {
                "rpc.service": "Bedrock Runtime",
                "rpc.method": "Converse",
                "gen_ai.request.model": "amazon.nova-pro-v1:0",
            },
            ("model", "nova-pro-v1:0"),
        ),
        (
            "BedrockRuntime.InvokeModel",
            {"gen_ai.request.model": "amazon.nova-pro-v1:0"},
            ("model", "nova-pro-v1:0"),
        ),
        (
            "Bedrock Agent Runtime.Retrieve",
            {"aws.bedrock.knowledge_base.id": "KB12345678"},
            ("datastore", "KB12345678"),
        ),
        ("Lambda.Invoke", {"faas.invoked_name": "price"}, ("external", "price")),
        (
            "SFN.StartExecution",
            {
                "rpc.service": "SFN",
                "aws.step_functions.state_machine.arn": "arn:aws:states:eu-west-1:123456789012"
                ":stateMachine:Refund",
            },
            ("external", "Refund"),
        ),
        ("SES.SendEmail", {"rpc.service": "SES"}, ("external", "SES")),
        ("STS.GetCallerIdentity", {}, ("external", "STS")),
    ],
)
def test_an_sdk_call_is_what_its_service_is(
    name: str, attributes: dict[str, Any], expected: tuple[str, str]
) -> None:
    host = {"server.address": "api.eu-west-1.amazonaws.com"}

    assert called(name, **AWS | host | attributes) == {expected}


@pytest.mark.parametrize("marker", [{"rpc.system.name": "aws-api"}, {"aws.service": "DynamoDB"}])
def test_other_spellings_of_the_sdk_are_known(marker: dict[str, Any]) -> None:
    table = {"rpc.method": "DynamoDB/GetItem", "aws.dynamodb.table_names": "orders"}

    assert called("DynamoDB.GetItem", **marker | table) == {("datastore", "orders")}


def test_the_first_table_of_a_list_counts() -> None:
    call = span(2, "DynamoDB.GetItem", parent=1, kind="client", attributes=AWS)
    names = {"arrayValue": {"values": [{"stringValue": "orders"}, {"stringValue": "carts"}]}}
    call["attributes"].append({"key": "aws.dynamodb.table_names", "value": names})

    assert found(call) == {("datastore", "orders")}


def test_a_table_that_is_not_there_is_no_datastore() -> None:
    table = AWS | {"rpc.service": "DynamoDB", "aws.dynamodb.table_names": "orders_old"}
    call = span(2, "DynamoDB.GetItem", parent=1, kind="client", failed=True, attributes=table)
    raised = {"stringValue": "botocore.errorfactory.ResourceNotFoundException"}
    attributes = [{"key": "exception.type", "value": raised}]
    call |= {"events": [{"name": "exception", "attributes": attributes}]}

    assert found(call) == {("datastore", "DynamoDB")}


@pytest.mark.parametrize(
    ("name", "attributes", "expected"),
    [
        (
            "qdrant.query_points",
            {"db.system": "Qdrant", "qdrant.search.collection_name": "policies"},
            "policies",
        ),
        (
            "milvus.search",
            {"db.system": "milvus", "db.milvus.search.collection_name": "policies"},
            "policies",
        ),
        (
            "db.weaviate.collections.get",
            {"db.system": "weaviate", "db.weaviate.collections.get.name": '"policies"'},
            "policies",
        ),
        (
            "pinecone.query",
            {
                "db.system": "Pinecone",
                "server.address": "https://policies-a1b2c3d.svc.aped-4627-b74a.pinecone.io",
            },
            "policies",
        ),
        ("chroma.query", {"db.system": "chroma", "db.chroma.query.n_results": 4}, "chroma"),
        ("lancedb.search", {"db.system": "lancedb"}, "lancedb"),
    ],
)
def test_a_vector_store_is_called_by_its_collection(
    name: str, attributes: dict[str, Any], expected: str
) -> None:
    for kind in ("internal", "client"):
        assert called(name, kind, **attributes) == {("datastore", expected)}


RETRIEVALS: list[tuple[str, str, dict[str, Any], str]] = [
    (
        "acme.rag",
        "policy_search.retrieve",
        {"openinference.span.kind": "RETRIEVER"},
        "policy_search",
    ),
    (
        "openinference.instrumentation.langchain",
        "VectorStoreRetriever",
        {
            "openinference.span.kind": "RETRIEVER",
            "metadata": '{"ls_vector_store_provider": "Chroma"}',
        },
        "Chroma",
    ),
    (
        "opentelemetry.instrumentation.langchain",
        "vector_db_retrieve VectorStoreRetriever",
        {
            "gen_ai.operation.name": "vector_db_retrieve",
            "traceloop.association.properties.ls_vector_store_provider": "Chroma",
        },
        "Chroma",
    ),
    (
        "opentelemetry.instrumentation.langchain",
        "vector_db_retrieve VectorStoreRetriever",
        {"gen_ai.operation.name": "vector_db_retrieve"},
        "VectorStoreRetriever",
    ),
    ("acme.rag", "retrieval policies", {"gen_ai.operation.name": "retrieval"}, "policies"),
    ("acme.rag", "search_memory", {"gen_ai.operation.name": "search_memory"}, "desk search_memory"),
]


@pytest.mark.parametrize(("scope", "name", "attributes", "expected"), RETRIEVALS)
def test_a_retriever_is_a_datastore_unless_the_datastore_is_below(
    scope: str, name: str, attributes: dict[str, Any], expected: str
) -> None:
    retriever = span(2, name, parent=1, kind="client", attributes=attributes)
    query = {"db.system": "postgresql", "db.name": "rules"}
    store = span(3, "SELECT rules", parent=2, kind="client", attributes=query)

    assert found(retriever, scope=scope) == {("datastore", expected)}
    assert found(retriever, store, scope=scope) == {("datastore", "rules")}


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"gen_ai.operation.name": "retrieval", "gen_ai.data_source.id": "rules"}, "rules"),
        ({"gen_ai.operation.name": "search_memory", "gen_ai.memory.store.id": "habits"}, "habits"),
        ({"gen_ai.operation.name": "upsert_memory", "gen_ai.memory.store.id": "habits"}, "habits"),
    ],
)
def test_a_named_data_source_or_memory_stays_above_its_database(
    attributes: dict[str, Any], expected: str
) -> None:
    above = span(2, "search", parent=1, kind="client", attributes=attributes)
    query = {"db.system": "postgresql", "db.name": "vectors"}

    inner = span(3, "SELECT vectors", parent=2, kind="client", attributes=query)
    assert found(above, inner) == {("datastore", expected)}


def test_a_frameworks_class_names_no_datastore() -> None:
    retriever = {"openinference.span.kind": "RETRIEVER"}
    inner = span(2, "VectorIndexRetriever.retrieve", parent=1, attributes=retriever)

    assert found(inner, scope="openinference.instrumentation.llama_index") == set()


@pytest.mark.parametrize(
    ("attributes", "name"),
    [
        ({"messaging.destination.name": "letters"}, "letters"),
        (
            {
                "messaging.destination.name": "letters.17",
                "messaging.destination.template": "letters.{desk}",
            },
            "letters.{desk}",
        ),
        (
            {"messaging.destination.name": "q-81", "messaging.destination.temporary": True},
            "rabbitmq",
        ),
        (
            {"messaging.destination.name": "q-82", "messaging.destination.anonymous": True},
            "rabbitmq",
        ),
        ({"messaging.destination": "q-83", "messaging.temp_destination": True}, "rabbitmq"),
        ({"messaging.destination": "amq.gen-JzTY20BRgKO-HjmUJj0wLg"}, "rabbitmq"),
    ],
)
def test_a_queue_is_called_by_its_destination_before_its_broker(
    attributes: dict[str, Any], name: str
) -> None:
    broker = {"messaging.system": "rabbitmq", "server.address": "broker.internal"}

    assert called("send", "producer", **broker | attributes) == {("queue", name)}


@pytest.mark.parametrize("operation", ["send", "publish"])
def test_a_client_that_sends_is_a_producer(operation: str) -> None:
    sent = {
        "messaging.system": "servicebus",
        "messaging.destination.name": "letters",
        "messaging.operation.type": operation,
        "server.address": "desk.servicebus.windows.net",
    }

    assert called("send letters", **sent) == {("queue", "letters")}
    assert called("settle", **sent | {"messaging.operation.type": "settle"}) == set()
