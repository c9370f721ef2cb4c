"""The store of the cluster's keys, and what each kind of machine may do in the account."""

from __future__ import annotations

from scripts.clouds.aws.terms import Json, ref, resource, sub, tags
from scripts.clouds.groups import GROUPS, NATS_SERVERS, Group

OWN_ACCOUNT = "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"


def readers() -> tuple[str, ...]:
    """Who has a secret of its own."""
    return (*(group.kind for group in GROUPS), *NATS_SERVERS)


def secret_of(reader: str) -> str:
    """The name of the resource."""
    return f"{reader.title().replace('-', '')}Keys"


def keys() -> Json:
    """An own key in KMS, the secrets, and the logs. Secrets are empty until somebody puts there what `rillcast
    cloud-keys` wrote: a template never holds them."""
    logs = {
        "Sid": "LogsOfThisStack",
        "Effect": "Allow",
        "Principal": {"Service": sub("logs.${AWS::Region}.amazonaws.com")},
        "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
        "Resource": "*",
        "Condition": {
            "ArnLike": {
                "kms:EncryptionContext:aws:logs:arn": sub(
                    "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/rillcast/${AWS::StackName}/*"
                )
            }
        },
    }
    account = {
        "Sid": "AccountByItsPolicies",
        "Effect": "Allow",
        "Principal": {"AWS": sub(OWN_ACCOUNT)},
        "Action": "kms:*",
        "Resource": "*",
    }
    found: Json = {
        "Key": resource(
            "KMS::Key",
            {
                "Description": sub("Keys and logs of ${AWS::StackName}"),
                "EnableKeyRotation": True,
                "KeyPolicy": {"Version": "2012-10-17", "Statement": [account, logs]},
            },
        ),
    }
    for name, days in (("nodes", 14), ("figures", 1)):
        found[f"{name.title()}Log"] = resource(
            "Logs::LogGroup",
            {
                "LogGroupName": sub(f"/rillcast/${{AWS::StackName}}/{name}"),
                "RetentionInDays": days,
                "KmsKeyId": {"Fn::GetAtt": ["Key", "Arn"]},
            },
            DeletionPolicy="Delete",
            UpdateReplacePolicy="Delete",
        )
    for reader in readers():
        found[secret_of(reader)] = resource(
            "SecretsManager::Secret",
            {
                "Name": sub(f"${{AWS::StackName}}/{reader}"),
                "Description": f"{reader}.json of `rillcast cloud-keys`",
                "KmsKeyId": ref("Key"),
            },
        )
    return found


def role(name: str, statements: list[Json]) -> Json:
    """Who a machine is. `statements`: what it may do besides what all may."""
    trust = {"Effect": "Allow", "Principal": {"Service": sub("ec2.${AWS::URLSuffix}")}, "Action": "sts:AssumeRole"}
    return {
        f"{name}Role": resource(
            "IAM::Role",
            {
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
                "Policies": [
                    {"PolicyName": "own", "PolicyDocument": {"Version": "2012-10-17", "Statement": statements}}
                ],
                "Tags": tags(name.lower()),
            },
        ),
        f"{name}Profile": resource("IAM::InstanceProfile", {"Roles": [ref(f"{name}Role")]}),
    }


def may_pull(roles: list[str]) -> Json:
    """To get the image, if it lies in ECR."""
    statements = [
        {
            "Sid": "Image",
            "Effect": "Allow",
            "Action": ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            "Resource": ref("ImageRepositoryArn"),
        },
        # It has no resource that it could be limited to.
        {"Sid": "Registry", "Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
    ]
    return {
        "ImagePolicy": resource(
            "IAM::Policy",
            {
                "PolicyName": "image",
                "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
                "Roles": [ref(f"{role}Role") for role in roles],
            },
            Condition="HasRepository",
        )
    }


def may_read(reader: str) -> list[Json]:
    """Its own secret, and to write its log."""
    return [
        {
            "Sid": "OwnKeys",
            "Effect": "Allow",
            "Action": "secretsmanager:GetSecretValue",
            "Resource": ref(secret_of(reader)),
        },
        {
            "Sid": "Decrypt",
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": {"Fn::GetAtt": ["Key", "Arn"]},
            "Condition": {"StringEquals": {"kms:ViaService": sub("secretsmanager.${AWS::Region}.amazonaws.com")}},
        },
        {
            "Sid": "Logs",
            "Effect": "Allow",
            "Action": ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
            "Resource": [
                sub(
                    "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/rillcast/${AWS::StackName}/*"
                )
            ],
        },
    ]


def may_leave(group: Group) -> Json:
    """To say that it has been drained, in its own group."""
    return {
        "Sid": "Drained",
        "Effect": "Allow",
        "Action": "autoscaling:CompleteLifecycleAction",
        "Resource": sub(
            "arn:${AWS::Partition}:autoscaling:${AWS::Region}:${AWS::AccountId}:autoScalingGroup:*"
            f":autoScalingGroupName/${{AWS::StackName}}-{group.kind}"
        ),
    }
