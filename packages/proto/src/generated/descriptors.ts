// Original file: proto/**/*.proto, as protobuf.js keeps them

export const DESCRIPTORS: object = {
 "nested": {
  "boi": {
   "nested": {
    "hooks": {
     "nested": {
      "v1": {
       "nested": {
        "HooksService": {
         "methods": {
          "Handshake": {
           "requestType": "HandshakeRequest",
           "responseType": "HandshakeResponse"
          },
          "Deliver": {
           "requestType": "DeliverRequest",
           "requestStream": true,
           "responseType": "DeliverResponse",
           "responseStream": true
          }
         }
        },
        "DeliveryTier": {
         "values": {
          "DELIVERY_TIER_UNSPECIFIED": 0,
          "DELIVERY_TIER_BEST_EFFORT": 1,
          "DELIVERY_TIER_AUDIT": 2
         }
        },
        "EventKind": {
         "values": {
          "EVENT_KIND_UNSPECIFIED": 0,
          "EVENT_KIND_TASK_DISPATCHED": 1,
          "EVENT_KIND_TASK_CLAIMED": 2,
          "EVENT_KIND_TASK_STARTED": 3,
          "EVENT_KIND_TASK_COMPLETED": 4,
          "EVENT_KIND_TASK_FAILED": 5,
          "EVENT_KIND_TASK_RETRIED": 6,
          "EVENT_KIND_TASK_REASSIGNED": 7,
          "EVENT_KIND_TASK_CANCELLED": 8,
          "EVENT_KIND_TASK_SUPERSEDED": 9,
          "EVENT_KIND_SPEC_STARTED": 10,
          "EVENT_KIND_SPEC_COMPLETED": 11,
          "EVENT_KIND_SPEC_FAILED": 12,
          "EVENT_KIND_NODE_JOINED": 13,
          "EVENT_KIND_NODE_DRAINED": 14,
          "EVENT_KIND_NODE_CRASHED": 15,
          "EVENT_KIND_NODE_DEGRADED": 16,
          "EVENT_KIND_NODE_RECOVERED": 17,
          "EVENT_KIND_PROVISION_REQUESTED": 18,
          "EVENT_KIND_PROVISION_FULFILLED": 19,
          "EVENT_KIND_PROVISION_FAILED": 20,
          "EVENT_KIND_PROVISION_TOKEN_LEAK_SUSPECTED": 21,
          "EVENT_KIND_PLUGIN_CRASHED": 22,
          "EVENT_KIND_PLUGIN_UNSTABLE": 23,
          "EVENT_KIND_CLUSTER_CA_ROTATED": 24,
          "EVENT_KIND_CLUSTER_PAUSED": 25,
          "EVENT_KIND_CLUSTER_RESUMED": 26,
          "EVENT_KIND_CLUSTER_PARTITION_DETECTED": 27,
          "EVENT_KIND_CLUSTER_PARTITION_HEALED": 28,
          "EVENT_KIND_CHECKPOINT_EXPORTED": 29,
          "EVENT_KIND_CHECKPOINT_IMPORTED": 30,
          "EVENT_KIND_DISPATCH_REFUSED": 31,
          "EVENT_KIND_CLAIM_FENCE_REJECTED": 32
         }
        },
        "EventOutcome": {
         "values": {
          "EVENT_OUTCOME_UNSPECIFIED": 0,
          "EVENT_OUTCOME_UNKNOWN": 1
         }
        },
        "HandshakeRequest": {
         "fields": {
          "minor": {
           "type": "uint32",
           "id": 1
          },
          "hostVersion": {
           "type": "string",
           "id": 2
          },
          "nodeId": {
           "type": "string",
           "id": 3
          },
          "pluginId": {
           "type": "string",
           "id": 4
          }
         }
        },
        "HandshakeResponse": {
         "fields": {
          "major": {
           "type": "uint32",
           "id": 1
          },
          "minor": {
           "type": "uint32",
           "id": 2
          },
          "name": {
           "type": "string",
           "id": 3
          },
          "version": {
           "type": "string",
           "id": 4
          },
          "capabilities": {
           "rule": "repeated",
           "type": "string",
           "id": 5
          },
          "tier": {
           "type": "DeliveryTier",
           "id": 6
          },
          "kinds": {
           "rule": "repeated",
           "type": "EventKind",
           "id": 7
          }
         }
        },
        "DeliverRequest": {
         "fields": {
          "event": {
           "type": "Event",
           "id": 1
          }
         }
        },
        "DeliverResponse": {
         "fields": {
          "acknowledgedSequence": {
           "type": "uint64",
           "id": 1
          }
         }
        },
        "Event": {
         "fields": {
          "sequence": {
           "type": "uint64",
           "id": 1
          },
          "id": {
           "type": "string",
           "id": 2
          },
          "kind": {
           "type": "EventKind",
           "id": 3
          },
          "atMs": {
           "type": "int64",
           "id": 4
          },
          "emitterNodeId": {
           "type": "string",
           "id": 5
          },
          "projectId": {
           "type": "string",
           "id": 6
          },
          "correlationId": {
           "type": "string",
           "id": 7
          },
          "outcome": {
           "type": "EventOutcome",
           "id": 8
          },
          "payload": {
           "type": "EventPayload",
           "id": 9
          }
         }
        },
        "EventPayload": {
         "oneofs": {
          "_task": {
           "oneof": [
            "task"
           ]
          },
          "_spec": {
           "oneof": [
            "spec"
           ]
          },
          "_executor": {
           "oneof": [
            "executor"
           ]
          },
          "_attempt": {
           "oneof": [
            "attempt"
           ]
          },
          "_delivery": {
           "oneof": [
            "delivery"
           ]
          },
          "_fence": {
           "oneof": [
            "fence"
           ]
          },
          "_outcome": {
           "oneof": [
            "outcome"
           ]
          },
          "_exitCode": {
           "oneof": [
            "exitCode"
           ]
          },
          "_reason": {
           "oneof": [
            "reason"
           ]
          },
          "_queue": {
           "oneof": [
            "queue"
           ]
          },
          "_delayMs": {
           "oneof": [
            "delayMs"
           ]
          },
          "_from": {
           "oneof": [
            "from"
           ]
          },
          "_to": {
           "oneof": [
            "to"
           ]
          },
          "_why": {
           "oneof": [
            "why"
           ]
          },
          "_tasks": {
           "oneof": [
            "tasks"
           ]
          },
          "_failed": {
           "oneof": [
            "failed"
           ]
          },
          "_node": {
           "oneof": [
            "node"
           ]
          },
          "_epoch": {
           "oneof": [
            "epoch"
           ]
          },
          "_requeued": {
           "oneof": [
            "requeued"
           ]
          },
          "_claimed": {
           "oneof": [
            "claimed"
           ]
          },
          "_request": {
           "oneof": [
            "request"
           ]
          },
          "_failures": {
           "oneof": [
            "failures"
           ]
          },
          "_token": {
           "oneof": [
            "token"
           ]
          },
          "_plugin": {
           "oneof": [
            "plugin"
           ]
          },
          "_crashes": {
           "oneof": [
            "crashes"
           ]
          },
          "_step": {
           "oneof": [
            "step"
           ]
          },
          "_actor": {
           "oneof": [
            "actor"
           ]
          },
          "_lastedMs": {
           "oneof": [
            "lastedMs"
           ]
          },
          "_checkpoint": {
           "oneof": [
            "checkpoint"
           ]
          },
          "_revision": {
           "oneof": [
            "revision"
           ]
          },
          "_specs": {
           "oneof": [
            "specs"
           ]
          }
         },
         "fields": {
          "task": {
           "type": "string",
           "id": 1,
           "options": {
            "proto3_optional": true
           }
          },
          "spec": {
           "type": "string",
           "id": 2,
           "options": {
            "proto3_optional": true
           }
          },
          "executor": {
           "type": "string",
           "id": 3,
           "options": {
            "proto3_optional": true
           }
          },
          "attempt": {
           "type": "double",
           "id": 4,
           "options": {
            "proto3_optional": true
           }
          },
          "delivery": {
           "type": "double",
           "id": 5,
           "options": {
            "proto3_optional": true
           }
          },
          "fence": {
           "type": "string",
           "id": 6,
           "options": {
            "proto3_optional": true
           }
          },
          "outcome": {
           "type": "string",
           "id": 7,
           "options": {
            "proto3_optional": true
           }
          },
          "exitCode": {
           "type": "double",
           "id": 8,
           "options": {
            "proto3_optional": true
           }
          },
          "reason": {
           "type": "string",
           "id": 9,
           "options": {
            "proto3_optional": true
           }
          },
          "queue": {
           "type": "string",
           "id": 10,
           "options": {
            "proto3_optional": true
           }
          },
          "delayMs": {
           "type": "double",
           "id": 11,
           "options": {
            "proto3_optional": true
           }
          },
          "from": {
           "type": "string",
           "id": 12,
           "options": {
            "proto3_optional": true
           }
          },
          "to": {
           "type": "string",
           "id": 13,
           "options": {
            "proto3_optional": true
           }
          },
          "why": {
           "type": "string",
           "id": 14,
           "options": {
            "proto3_optional": true
           }
          },
          "tasks": {
           "type": "double",
           "id": 15,
           "options": {
            "proto3_optional": true
           }
          },
          "failed": {
           "type": "double",
           "id": 16,
           "options": {
            "proto3_optional": true
           }
          },
          "node": {
           "type": "string",
           "id": 17,
           "options": {
            "proto3_optional": true
           }
          },
          "epoch": {
           "type": "string",
           "id": 18,
           "options": {
            "proto3_optional": true
           }
          },
          "requeued": {
           "type": "double",
           "id": 19,
           "options": {
            "proto3_optional": true
           }
          },
          "claimed": {
           "type": "double",
           "id": 20,
           "options": {
            "proto3_optional": true
           }
          },
          "request": {
           "type": "string",
           "id": 21,
           "options": {
            "proto3_optional": true
           }
          },
          "failures": {
           "type": "double",
           "id": 22,
           "options": {
            "proto3_optional": true
           }
          },
          "token": {
           "type": "string",
           "id": 23,
           "options": {
            "proto3_optional": true
           }
          },
          "plugin": {
           "type": "string",
           "id": 24,
           "options": {
            "proto3_optional": true
           }
          },
          "crashes": {
           "type": "double",
           "id": 25,
           "options": {
            "proto3_optional": true
           }
          },
          "step": {
           "type": "string",
           "id": 26,
           "options": {
            "proto3_optional": true
           }
          },
          "actor": {
           "type": "string",
           "id": 27,
           "options": {
            "proto3_optional": true
           }
          },
          "lastedMs": {
           "type": "double",
           "id": 28,
           "options": {
            "proto3_optional": true
           }
          },
          "checkpoint": {
           "type": "string",
           "id": 29,
           "options": {
            "proto3_optional": true
           }
          },
          "revision": {
           "type": "string",
           "id": 30,
           "options": {
            "proto3_optional": true
           }
          },
          "specs": {
           "type": "double",
           "id": 31,
           "options": {
            "proto3_optional": true
           }
          }
         }
        }
       }
      }
     }
    },
    "pool": {
     "nested": {
      "v1": {
       "nested": {
        "PoolService": {
         "methods": {
          "Handshake": {
           "requestType": "HandshakeRequest",
           "responseType": "HandshakeResponse"
          },
          "Spawn": {
           "requestType": "SpawnRequest",
           "responseType": "SpawnResponse"
          },
          "Tail": {
           "requestType": "TailRequest",
           "requestStream": true,
           "responseType": "TailResponse",
           "responseStream": true
          },
          "Cancel": {
           "requestType": "CancelRequest",
           "responseType": "CancelResponse"
          },
          "List": {
           "requestType": "ListRequest",
           "responseType": "ListResponse"
          },
          "Release": {
           "requestType": "ReleaseRequest",
           "responseType": "ReleaseResponse"
          }
         }
        },
        "HandshakeRequest": {
         "fields": {
          "minor": {
           "type": "uint32",
           "id": 1
          },
          "hostVersion": {
           "type": "string",
           "id": 2
          },
          "nodeId": {
           "type": "string",
           "id": 3
          },
          "pluginId": {
           "type": "string",
           "id": 4
          }
         }
        },
        "HandshakeResponse": {
         "fields": {
          "major": {
           "type": "uint32",
           "id": 1
          },
          "minor": {
           "type": "uint32",
           "id": 2
          },
          "name": {
           "type": "string",
           "id": 3
          },
          "version": {
           "type": "string",
           "id": 4
          },
          "capabilities": {
           "rule": "repeated",
           "type": "string",
           "id": 5
          }
         }
        },
        "OutputStream": {
         "values": {
          "OUTPUT_STREAM_UNSPECIFIED": 0,
          "OUTPUT_STREAM_STDOUT": 1,
          "OUTPUT_STREAM_STDERR": 2
         }
        },
        "SpawnRequest": {
         "fields": {
          "taskId": {
           "type": "string",
           "id": 1
          },
          "fence": {
           "type": "uint64",
           "id": 2
          },
          "attempt": {
           "type": "uint32",
           "id": 3
          },
          "delivery": {
           "type": "uint32",
           "id": 4
          },
          "argv": {
           "rule": "repeated",
           "type": "string",
           "id": 5
          },
          "env": {
           "keyType": "string",
           "type": "string",
           "id": 6
          },
          "workdir": {
           "type": "string",
           "id": 7
          },
          "slots": {
           "type": "uint32",
           "id": 8
          },
          "options": {
           "keyType": "string",
           "type": "string",
           "id": 9
          }
         }
        },
        "SpawnResponse": {
         "fields": {
          "alreadySpawned": {
           "type": "bool",
           "id": 1
          },
          "handle": {
           "type": "string",
           "id": 2
          }
         }
        },
        "TailRequest": {
         "fields": {
          "taskId": {
           "type": "string",
           "id": 1
          },
          "fence": {
           "type": "uint64",
           "id": 2
          },
          "fromOffset": {
           "type": "uint64",
           "id": 3
          },
          "acknowledgedOffset": {
           "type": "uint64",
           "id": 4
          }
         }
        },
        "TailResponse": {
         "oneofs": {
          "item": {
           "oneof": [
            "chunk",
            "end"
           ]
          }
         },
         "fields": {
          "chunk": {
           "type": "OutputChunk",
           "id": 1
          },
          "end": {
           "type": "TaskEnd",
           "id": 2
          }
         }
        },
        "OutputChunk": {
         "fields": {
          "offset": {
           "type": "uint64",
           "id": 1
          },
          "stream": {
           "type": "OutputStream",
           "id": 2
          },
          "data": {
           "type": "bytes",
           "id": 3
          }
         }
        },
        "TaskEnd": {
         "oneofs": {
          "how": {
           "oneof": [
            "exitCode",
            "signal",
            "startFailure",
            "lost"
           ]
          }
         },
         "fields": {
          "exitCode": {
           "type": "uint32",
           "id": 1
          },
          "signal": {
           "type": "string",
           "id": 2
          },
          "startFailure": {
           "type": "string",
           "id": 3
          },
          "lost": {
           "type": "string",
           "id": 4
          },
          "endOffset": {
           "type": "uint64",
           "id": 5
          },
          "startedAtMs": {
           "type": "int64",
           "id": 6
          },
          "endedAtMs": {
           "type": "int64",
           "id": 7
          }
         }
        },
        "CancelRequest": {
         "fields": {
          "taskId": {
           "type": "string",
           "id": 1
          },
          "fence": {
           "type": "uint64",
           "id": 2
          },
          "graceMs": {
           "type": "uint32",
           "id": 3
          }
         }
        },
        "CancelResponse": {
         "fields": {
          "wasRunning": {
           "type": "bool",
           "id": 1
          }
         }
        },
        "ListRequest": {
         "fields": {}
        },
        "ListResponse": {
         "fields": {
          "tasks": {
           "rule": "repeated",
           "type": "ListedTask",
           "id": 1
          }
         }
        },
        "ListedTask": {
         "fields": {
          "taskId": {
           "type": "string",
           "id": 1
          },
          "fence": {
           "type": "uint64",
           "id": 2
          },
          "running": {
           "type": "bool",
           "id": 3
          },
          "handle": {
           "type": "string",
           "id": 4
          }
         }
        },
        "ReleaseRequest": {
         "fields": {
          "taskId": {
           "type": "string",
           "id": 1
          },
          "fence": {
           "type": "uint64",
           "id": 2
          }
         }
        },
        "ReleaseResponse": {
         "fields": {}
        }
       }
      }
     }
    },
    "provisioner": {
     "nested": {
      "v1": {
       "nested": {
        "ProvisionerService": {
         "methods": {
          "Handshake": {
           "requestType": "HandshakeRequest",
           "responseType": "HandshakeResponse"
          },
          "Provision": {
           "requestType": "ProvisionRequest",
           "responseType": "ProvisionResponse"
          },
          "Deprovision": {
           "requestType": "DeprovisionRequest",
           "responseType": "DeprovisionResponse"
          },
          "List": {
           "requestType": "ListRequest",
           "responseType": "ListResponse"
          }
         }
        },
        "HandshakeRequest": {
         "fields": {
          "minor": {
           "type": "uint32",
           "id": 1
          },
          "hostVersion": {
           "type": "string",
           "id": 2
          },
          "nodeId": {
           "type": "string",
           "id": 3
          },
          "pluginId": {
           "type": "string",
           "id": 4
          }
         }
        },
        "HandshakeResponse": {
         "fields": {
          "major": {
           "type": "uint32",
           "id": 1
          },
          "minor": {
           "type": "uint32",
           "id": 2
          },
          "name": {
           "type": "string",
           "id": 3
          },
          "version": {
           "type": "string",
           "id": 4
          },
          "capabilities": {
           "rule": "repeated",
           "type": "string",
           "id": 5
          }
         }
        },
        "ProvisionState": {
         "values": {
          "PROVISION_STATE_UNSPECIFIED": 0,
          "PROVISION_STATE_STARTING": 1,
          "PROVISION_STATE_RUNNING": 2,
          "PROVISION_STATE_FAILED": 3
         }
        },
        "ProvisionRequest": {
         "fields": {
          "requestId": {
           "type": "string",
           "id": 1
          },
          "requirements": {
           "rule": "repeated",
           "type": "Requirement",
           "id": 2
          },
          "slots": {
           "type": "uint32",
           "id": 3
          },
          "tasks": {
           "type": "uint32",
           "id": 4
          },
          "joinToken": {
           "type": "string",
           "id": 5
          },
          "bootstrapAddresses": {
           "rule": "repeated",
           "type": "string",
           "id": 6
          },
          "deadlineMs": {
           "type": "int64",
           "id": 7
          },
          "labels": {
           "keyType": "string",
           "type": "string",
           "id": 8
          }
         }
        },
        "Requirement": {
         "oneofs": {
          "test": {
           "oneof": [
            "exists",
            "equals",
            "oneOf",
            "atLeast",
            "atMost"
           ]
          }
         },
         "fields": {
          "key": {
           "type": "string",
           "id": 1
          },
          "exists": {
           "type": "bool",
           "id": 2
          },
          "equals": {
           "type": "string",
           "id": 3
          },
          "oneOf": {
           "type": "StringList",
           "id": 4
          },
          "atLeast": {
           "type": "double",
           "id": 5
          },
          "atMost": {
           "type": "double",
           "id": 6
          }
         }
        },
        "StringList": {
         "fields": {
          "values": {
           "rule": "repeated",
           "type": "string",
           "id": 1
          }
         }
        },
        "ProvisionResponse": {
         "fields": {
          "alreadyProvisioned": {
           "type": "bool",
           "id": 1
          },
          "handle": {
           "type": "string",
           "id": 2
          }
         }
        },
        "DeprovisionRequest": {
         "fields": {
          "requestId": {
           "type": "string",
           "id": 1
          }
         }
        },
        "DeprovisionResponse": {
         "fields": {
          "existed": {
           "type": "bool",
           "id": 1
          }
         }
        },
        "ListRequest": {
         "fields": {}
        },
        "ListResponse": {
         "fields": {
          "provisions": {
           "rule": "repeated",
           "type": "ListedProvision",
           "id": 1
          }
         }
        },
        "ListedProvision": {
         "fields": {
          "requestId": {
           "type": "string",
           "id": 1
          },
          "state": {
           "type": "ProvisionState",
           "id": 2
          },
          "handle": {
           "type": "string",
           "id": 3
          },
          "message": {
           "type": "string",
           "id": 4
          }
         }
        }
       }
      }
     }
    },
    "router": {
     "nested": {
      "v1": {
       "nested": {
        "RouterService": {
         "methods": {
          "Handshake": {
           "requestType": "HandshakeRequest",
           "responseType": "HandshakeResponse"
          },
          "Hint": {
           "requestType": "HintRequest",
           "responseType": "HintResponse"
          }
         }
        },
        "HandshakeRequest": {
         "fields": {
          "minor": {
           "type": "uint32",
           "id": 1
          },
          "hostVersion": {
           "type": "string",
           "id": 2
          },
          "nodeId": {
           "type": "string",
           "id": 3
          },
          "pluginId": {
           "type": "string",
           "id": 4
          }
         }
        },
        "HandshakeResponse": {
         "fields": {
          "major": {
           "type": "uint32",
           "id": 1
          },
          "minor": {
           "type": "uint32",
           "id": 2
          },
          "name": {
           "type": "string",
           "id": 3
          },
          "version": {
           "type": "string",
           "id": 4
          },
          "capabilities": {
           "rule": "repeated",
           "type": "string",
           "id": 5
          }
         }
        },
        "HintRequest": {
         "fields": {
          "tasks": {
           "rule": "repeated",
           "type": "TaskFacts",
           "id": 1
          },
          "candidates": {
           "rule": "repeated",
           "type": "Candidate",
           "id": 2
          }
         }
        },
        "TaskFacts": {
         "fields": {
          "taskId": {
           "type": "string",
           "id": 1
          },
          "specId": {
           "type": "string",
           "id": 2
          },
          "projectId": {
           "type": "string",
           "id": 3
          },
          "slots": {
           "type": "uint32",
           "id": 4
          },
          "priority": {
           "type": "int32",
           "id": 5
          },
          "attempt": {
           "type": "uint32",
           "id": 6
          },
          "failedNodeIds": {
           "rule": "repeated",
           "type": "string",
           "id": 7
          },
          "requirements": {
           "rule": "repeated",
           "type": "Requirement",
           "id": 8
          },
          "eligible": {
           "rule": "repeated",
           "type": "uint32",
           "id": 9
          }
         }
        },
        "Requirement": {
         "oneofs": {
          "test": {
           "oneof": [
            "exists",
            "equals",
            "oneOf",
            "atLeast",
            "atMost"
           ]
          }
         },
         "fields": {
          "key": {
           "type": "string",
           "id": 1
          },
          "exists": {
           "type": "bool",
           "id": 2
          },
          "equals": {
           "type": "string",
           "id": 3
          },
          "oneOf": {
           "type": "StringList",
           "id": 4
          },
          "atLeast": {
           "type": "double",
           "id": 5
          },
          "atMost": {
           "type": "double",
           "id": 6
          }
         }
        },
        "StringList": {
         "fields": {
          "values": {
           "rule": "repeated",
           "type": "string",
           "id": 1
          }
         }
        },
        "Candidate": {
         "fields": {
          "nodeId": {
           "type": "string",
           "id": 1
          },
          "slots": {
           "type": "uint32",
           "id": 2
          },
          "busy": {
           "type": "uint32",
           "id": 3
          },
          "queued": {
           "type": "uint32",
           "id": 4
          },
          "capabilities": {
           "keyType": "string",
           "type": "string",
           "id": 5
          }
         }
        },
        "HintResponse": {
         "fields": {
          "hints": {
           "rule": "repeated",
           "type": "TaskHint",
           "id": 1
          }
         }
        },
        "TaskHint": {
         "fields": {
          "taskId": {
           "type": "string",
           "id": 1
          },
          "nodes": {
           "rule": "repeated",
           "type": "NodeHint",
           "id": 2
          }
         }
        },
        "NodeHint": {
         "fields": {
          "nodeId": {
           "type": "string",
           "id": 1
          },
          "preference": {
           "type": "double",
           "id": 2
          }
         }
        }
       }
      }
     }
    },
    "workspace": {
     "nested": {
      "v1": {
       "nested": {
        "WorkspaceService": {
         "methods": {
          "Handshake": {
           "requestType": "HandshakeRequest",
           "responseType": "HandshakeResponse"
          },
          "Prepare": {
           "requestType": "PrepareRequest",
           "responseType": "PrepareResponse"
          },
          "Cleanup": {
           "requestType": "CleanupRequest",
           "responseType": "CleanupResponse"
          },
          "List": {
           "requestType": "ListRequest",
           "responseType": "ListResponse"
          }
         }
        },
        "HandshakeRequest": {
         "fields": {
          "minor": {
           "type": "uint32",
           "id": 1
          },
          "hostVersion": {
           "type": "string",
           "id": 2
          },
          "nodeId": {
           "type": "string",
           "id": 3
          },
          "pluginId": {
           "type": "string",
           "id": 4
          }
         }
        },
        "HandshakeResponse": {
         "fields": {
          "major": {
           "type": "uint32",
           "id": 1
          },
          "minor": {
           "type": "uint32",
           "id": 2
          },
          "name": {
           "type": "string",
           "id": 3
          },
          "version": {
           "type": "string",
           "id": 4
          },
          "capabilities": {
           "rule": "repeated",
           "type": "string",
           "id": 5
          }
         }
        },
        "PrepareRequest": {
         "fields": {
          "taskId": {
           "type": "string",
           "id": 1
          },
          "fence": {
           "type": "uint64",
           "id": 2
          },
          "projectId": {
           "type": "string",
           "id": 3
          },
          "source": {
           "type": "string",
           "id": 4
          },
          "ref": {
           "type": "string",
           "id": 5
          },
          "options": {
           "keyType": "string",
           "type": "string",
           "id": 6
          }
         }
        },
        "PrepareResponse": {
         "fields": {
          "path": {
           "type": "string",
           "id": 1
          },
          "env": {
           "keyType": "string",
           "type": "string",
           "id": 2
          },
          "version": {
           "type": "string",
           "id": 3
          },
          "alreadyPrepared": {
           "type": "bool",
           "id": 4
          }
         }
        },
        "CleanupRequest": {
         "fields": {
          "taskId": {
           "type": "string",
           "id": 1
          },
          "fence": {
           "type": "uint64",
           "id": 2
          },
          "keep": {
           "type": "bool",
           "id": 3
          },
          "pushBranch": {
           "type": "string",
           "id": 4
          }
         }
        },
        "CleanupResponse": {
         "fields": {
          "existed": {
           "type": "bool",
           "id": 1
          },
          "keptPath": {
           "type": "string",
           "id": 2
          },
          "pushedVersion": {
           "type": "string",
           "id": 3
          }
         }
        },
        "ListRequest": {
         "fields": {}
        },
        "ListResponse": {
         "fields": {
          "workspaces": {
           "rule": "repeated",
           "type": "ListedWorkspace",
           "id": 1
          }
         }
        },
        "ListedWorkspace": {
         "fields": {
          "taskId": {
           "type": "string",
           "id": 1
          },
          "fence": {
           "type": "uint64",
           "id": 2
          },
          "path": {
           "type": "string",
           "id": 3
          },
          "kept": {
           "type": "bool",
           "id": 4
          }
         }
        }
       }
      }
     }
    }
   }
  },
  "grpc": {
   "nested": {
    "health": {
     "nested": {
      "v1": {
       "nested": {
        "Health": {
         "methods": {
          "Check": {
           "requestType": "HealthCheckRequest",
           "responseType": "HealthCheckResponse"
          },
          "Watch": {
           "requestType": "HealthCheckRequest",
           "responseType": "HealthCheckResponse",
           "responseStream": true
          }
         }
        },
        "HealthCheckRequest": {
         "fields": {
          "service": {
           "type": "string",
           "id": 1
          }
         }
        },
        "HealthCheckResponse": {
         "fields": {
          "status": {
           "type": "ServingStatus",
           "id": 1
          }
         },
         "nested": {
          "ServingStatus": {
           "values": {
            "UNKNOWN": 0,
            "SERVING": 1,
            "NOT_SERVING": 2,
            "SERVICE_UNKNOWN": 3
           }
          }
         }
        }
       }
      }
     }
    }
   }
  }
 }
};
