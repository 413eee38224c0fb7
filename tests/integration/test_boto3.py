# SPDX-License-Identifier: Apache-2.0
"""boto3, unmodified, against a server that speaks like S3 and one that speaks like DynamoDB."""

import unittest

from vivarium_testing import servers
from vivarium_testing.egress import EgressCase, policy


class Aws(EgressCase):
    """Sessions that were given one of the two."""

    @classmethod
    def setUpClass(cls):
        """Starts both."""
        cls.s3 = cls.serve(servers.S3())
        cls.dynamo = cls.serve(servers.Dynamo())
        cls.config = policy("aws", [f"s3.test:{cls.s3.port}", f"dynamo.test:{cls.dynamo.port}"],
                            ["s3.test", "dynamo.test"])
        super().setUpClass()
        # The door for sessions with rules is there from the first one on.
        with cls.daemon.client() as client:
            url = f"http://s3.test:{cls.s3.port}/"
            session = client.create(egress="aws", capabilities={
                "httpRules": [{"allowedUrlPrefix": url}]})
            client.value(f"import requests\nrequests.get({url!r}).status_code", session)
            client.call("SessionService/CloseSession", {"session": session})

    def granted(self, host, port, **more):
        """Returns a session whose boto3 goes there."""
        return self.session(egress="aws", capabilities={"boto3": {
            "endpointUrl": f"http://{host}:{port}", "accessKeyId": servers.S3.KEY,
            "secretAccessKey": servers.S3.KEY}, **more})

    def test_denied_by_default(self):
        """It can be imported; a client or resource of it names the option."""
        session = self.session()
        self.assertEqual(self.client.value("import boto3\nboto3.__name__", session), "boto3")
        for what in ("boto3.client('s3')", "boto3.resource('dynamodb')",
                     "boto3.Session().client('s3', region_name='us-east-1')"):
            error = self.client.eval(what, session)["error"]
            self.assertEqual((error["type"], error["kind"]), ("PermissionError", "ERROR_KIND_PERMISSION"))
            self.assertIn("`capabilities.boto3` of CreateSession", error["message"])

    def test_where_it_may_not_go(self):
        """What the egress policy does not allow: the end of the chain of errors says what would."""
        session = self.session(egress="aws")
        verdict = self.client.eval(
            "import boto3, botocore.config\n"
            "s3 = boto3.client('s3', endpoint_url='http://127.0.0.1:9', region_name='us-east-1',\n"
            "  aws_access_key_id='a', aws_secret_access_key='b',\n"
            "  config=botocore.config.Config(retries={'max_attempts': 0}))\n"
            "s3.list_buckets()", session)
        self.assertIn("the egress policy 'aws' of this session allows", verdict["error"]["traceback"])
        refused = self.refused("permission_denied", "SessionService/CreateSession", {
            "egress": "aws", "capabilities": {"boto3": {"endpointUrl": "http://s3.test:9"}}})
        self.assertIn("capabilities.boto3.endpoint_url", refused.message)
        self.refused("permission_denied", "SessionService/CreateSession", {"capabilities": {"boto3": {}}})

    def test_s3(self):
        """Put, get, list, delete, without a word about where it is."""
        session = self.granted("s3.test", self.s3.port)
        self.assertEqual(self.client.value(
            "import boto3\ns3 = boto3.client('s3')\n"
            "s3.create_bucket(Bucket='things')\n"
            "for n in range(3): s3.put_object(Bucket='things', Key=f'a/{n}', Body=b'x' * 300_000)\n"
            "body = s3.get_object(Bucket='things', Key='a/1')['Body'].read()\n"
            "listed = s3.list_objects_v2(Bucket='things', Prefix='a/')\n"
            "s3.delete_object(Bucket='things', Key='a/0')\n"
            "left = [o['Key'] for o in s3.list_objects_v2(Bucket='things')['Contents']]\n"
            "try: s3.get_object(Bucket='things', Key='a/0')\n"
            "except s3.exceptions.NoSuchKey as e: missing = e.response['Error']['Code']\n"
            "boto3.resource('s3').Bucket('things').objects.all().delete()\n"
            "s3.close()\n"
            "[len(body), [o['Size'] for o in listed['Contents']], left, missing]",
            session, timeoutMs="60000"), [300_000, [300_000] * 3, ["a/1", "a/2"], "NoSuchKey"])

    def test_s3_under_http_rules(self):
        """Reading only: the rule's methods hold for boto3 as for everybody."""
        self.client.value("import boto3\ns3 = boto3.client('s3')\ns3.create_bucket(Bucket='ruled')\n"
                          "s3.put_object(Bucket='ruled', Key='k', Body=b'v' * 100_000)\ns3.close()\n0",
                          self.granted("s3.test", self.s3.port), timeoutMs="60000")
        session = self.granted("s3.test", self.s3.port, httpRules=[
            {"allowedUrlPrefix": f"http://s3.test:{self.s3.port}/ruled"}])
        self.assertEqual(self.client.value(
            "import boto3, botocore.exceptions\ns3 = boto3.client('s3')\n"
            "out = [len(s3.get_object(Bucket='ruled', Key='k')['Body'].read())]\n"
            "for what in (lambda: s3.put_object(Bucket='ruled', Key='k', Body=b'x'),\n"
            "             lambda: s3.list_buckets()):\n"
            "  try: what(); out.append('done')\n"
            "  except botocore.exceptions.ClientError as e:\n"
            "    out.append(e.response['ResponseMetadata']['HTTPStatusCode'])\n"
            "s3.close()\nout", session, timeoutMs="60000"), [100_000, 403, 403])

    def test_dynamodb(self):
        """Conditions, transactions, queries; a condition that fails changes nothing."""
        session = self.granted("dynamo.test", self.dynamo.port)
        self.assertEqual(self.client.value(
            "import boto3\nfrom boto3.dynamodb.conditions import Attr, Key\n"
            "db = boto3.resource('dynamodb')\n"
            "table = db.create_table(TableName='orders', BillingMode='PAY_PER_REQUEST',\n"
            "  KeySchema=[{'AttributeName': 'who', 'KeyType': 'HASH'}, {'AttributeName': 'n', 'KeyType': 'RANGE'}],\n"
            "  AttributeDefinitions=[{'AttributeName': 'who', 'AttributeType': 'S'},\n"
            "                        {'AttributeName': 'n', 'AttributeType': 'N'}])\n"
            "table.wait_until_exists()\n"
            "for n in range(5): table.put_item(Item={'who': 'ann', 'n': n, 'paid': False})\n"
            "out = [[int(i['n']) for i in table.query(KeyConditionExpression=Key('who').eq('ann')\n"
            "        & Key('n').between(1, 3))['Items']]]\n"
            "table.update_item(Key={'who': 'ann', 'n': 1}, UpdateExpression='SET paid = :t',\n"
            "  ConditionExpression=Attr('paid').eq(False), ExpressionAttributeValues={':t': True})\n"
            "failed = db.meta.client.exceptions.ConditionalCheckFailedException\n"
            "try: table.put_item(Item={'who': 'ann', 'n': 1}, ConditionExpression=Attr('who').not_exists())\n"
            "except failed: out.append('condition')\n"
            "out.append(table.get_item(Key={'who': 'ann', 'n': 1})['Item']['paid'])\n"
            "table.delete()\nout", session, timeoutMs="60000"), [[1, 2, 3], "condition", True])

    def test_servers_that_are_down(self):
        """An error of boto3's own; the session goes on, and so does boto3 when the server is back."""
        session = self.granted("s3.test", self.s3.port)
        self.client.value("import boto3, botocore.config, botocore.exceptions\n0", session)
        source = ("s3 = boto3.client('s3', config=botocore.config.Config(retries={'max_attempts': 0}))\n"
                  "try: out = s3.list_buckets()['ResponseMetadata']['HTTPStatusCode']\n"
                  "except botocore.exceptions.EndpointConnectionError as e: out = 'down'\n"
                  "s3.close()\nout")
        self.assertEqual(self.client.value(source, session), 200)
        self.s3.stop()
        try:
            self.assertEqual(self.client.value(source, session), "down")
        finally:
            self.s3.start()
        self.assertEqual(self.client.value(source, session), 200)

    def test_variables_of_the_sessions_own_go_before(self):
        """The grant is in the environment, where a client of another kind finds it as well."""
        session = self.session(egress="aws", environmentVariables={"AWS_REGION": "eu-north-1"},
                               capabilities={"boto3": {"endpointUrl": f"http://s3.test:{self.s3.port}",
                                                       "region": "eu-west-1", "accessKeyId": "id"}})
        self.assertEqual(self.client.value(
            "import os\n[os.environ.get(n) for n in ('AWS_REGION', 'AWS_DEFAULT_REGION', "
            "'AWS_ACCESS_KEY_ID', 'AWS_SESSION_TOKEN')]", session),
            ["eu-north-1", "eu-west-1", "id", None])


if __name__ == "__main__":
    unittest.main()
