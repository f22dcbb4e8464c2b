package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	apache "peer/api/apache/rocketmq/v2"
)

// Numbers of Apache's enums.
const (
	codeOk           = 20000
	codeNotFound     = 40400
	codeNoMessage    = 40401
	clientProducer   = 1
	clientPush       = 2
	normalMessage    = 1
	identityEncoding = 1
	tagFilter        = 1
)

const (
	// receiveBatch is what Apache's proxy tells its clients to ask for.
	receiveBatch = 32
	// pollsPerConnection is what its proxy did most with; one poll after the other gave it two thirds of that.
	pollsPerConnection = 4
	// pollTimeout is the least that Apache's proxy takes.
	pollTimeout      = 5 * time.Second
	callTimeout      = 30 * time.Second
	invisibleTimeout = 60 * time.Second
)

// apacheClient is one connection to Apache's proxy. Calls name it, and its Telemetry stream tells the proxy what it is.
type apacheClient struct {
	apache.MessagingServiceClient
	id string
}

func connectApache(address string, count int, settings *apache.Settings) []*apacheClient {
	clients := make([]*apacheClient, count)
	for index := range clients {
		connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		must(err)
		client := &apacheClient{apache.NewMessagingServiceClient(connection), fmt.Sprintf("bench@%d@%d", time.Now().UnixNano(), index)}
		client.introduce(settings)
		clients[index] = client
	}
	return clients
}

func (c *apacheClient) introduce(settings *apache.Settings) {
	stream, err := c.Telemetry(c.context(context.Background()))
	must(err)
	must(stream.Send(&apache.TelemetryCommand{Command: &apache.TelemetryCommand_Settings{Settings: settings}}))
	_, err = stream.Recv()
	must(err)
}

func (c *apacheClient) context(parent context.Context) context.Context {
	return metadata.AppendToOutgoingContext(parent, "x-mq-client-id", c.id, "x-mq-language", "GO", "x-mq-client-version", "5.1.0")
}

// call gives a context with a deadline: Apache's proxy counts how long it may take by that.
func (c *apacheClient) call() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.context(context.Background()), callTimeout)
}

func mustOk(status *apache.Status) {
	if status.GetCode() != codeOk {
		fail(fmt.Errorf("Apache's proxy answered %d: %s", status.GetCode(), status.GetMessage()))
	}
}

// apache-send ADDRESS TOPIC IN_FLIGHT CONNECTIONS WARM_MS MEASURED_MS BODY_BYTES: what `send` does with kind message, by Apache's API.
func apacheSend(arguments []string) {
	topic := &apache.Resource{Name: arguments[1]}
	clients := connectApache(arguments[0], number(arguments[3]), &apache.Settings{
		ClientType: clientProducer,
		PubSub:     &apache.Settings_Publishing{Publishing: &apache.Publishing{Topics: []*apache.Resource{topic}}},
	})
	body := []byte(strings.Repeat("x", number(arguments[6])))
	var lastId atomic.Int64
	call := func(turn int) int {
		client := clients[turn%len(clients)]
		ctx, cancel := client.call()
		defer cancel()
		reply, err := client.SendMessage(ctx, &apache.SendMessageRequest{Messages: []*apache.Message{{
			Topic:          topic,
			Body:           body,
			UserProperties: map[string]string{"a": "1", "b": "2", "c": "3"},
			SystemProperties: &apache.SystemProperties{
				Tag:          proto.String("bench"),
				Keys:         []string{"key"},
				MessageId:    fmt.Sprintf("01%032X", lastId.Add(1)),
				MessageType:  normalMessage,
				BodyEncoding: identityEncoding,
			},
		}}})
		must(err)
		mustOk(reply.Status)
		return 1
	}
	measureLoad(number(arguments[2]), milliseconds(arguments[4]), milliseconds(arguments[5]), call)
	untilToldToEnd()
}

// apache-receive ADDRESS TOPIC GROUP COUNT CONNECTIONS: what `receive` does, by Apache's API: polls side by side on each connection, and one
// AckMessage for each message.
func apacheReceive(arguments []string) {
	backlog := newBacklog(number(arguments[3]))
	topic, group := &apache.Resource{Name: arguments[1]}, &apache.Resource{Name: arguments[2]}
	filter := &apache.FilterExpression{Type: tagFilter, Expression: "*"}
	clients := connectApache(arguments[0], number(arguments[4]), &apache.Settings{
		ClientType: clientPush,
		PubSub: &apache.Settings_Subscription{Subscription: &apache.Subscription{
			Group:         group,
			Subscriptions: []*apache.SubscriptionEntry{{Topic: topic, Expression: filter}},
		}},
	})
	request := &apache.ReceiveMessageRequest{
		Group:              group,
		MessageQueue:       &apache.MessageQueue{Topic: topic, Id: -1},
		FilterExpression:   filter,
		BatchSize:          receiveBatch,
		InvisibleDuration:  durationpb.New(invisibleTimeout),
		LongPollingTimeout: durationpb.New(pollTimeout),
	}
	for _, client := range clients {
		received := ackers(ackersPerConnection, func(message *apache.Message) {
			client.ack(topic, group, message)
			backlog.add(1)
		})
		for range pollsPerConnection {
			go func() {
				for {
					client.poll(request, received)
				}
			}()
		}
	}
	backlog.untilDone()
	untilToldToEnd()
}

func (c *apacheClient) poll(request *apache.ReceiveMessageRequest, received chan<- *apache.Message) {
	ctx, cancel := c.call()
	defer cancel()
	stream, err := c.ReceiveMessage(ctx, request)
	must(err)
	for {
		reply, err := stream.Recv()
		if err == io.EOF {
			return
		}
		must(err)
		if message := reply.GetMessage(); message != nil {
			received <- message
		} else if status := reply.GetStatus(); status != nil && status.Code != codeNoMessage && status.Code != codeNotFound {
			mustOk(status)
		}
	}
}

func (c *apacheClient) ack(topic, group *apache.Resource, message *apache.Message) {
	ctx, cancel := c.call()
	defer cancel()
	properties := message.SystemProperties
	reply, err := c.AckMessage(ctx, &apache.AckMessageRequest{
		Topic: topic,
		Group: group,
		Entries: []*apache.AckMessageEntry{{
			MessageId:     properties.MessageId,
			ReceiptHandle: properties.GetReceiptHandle(),
		}},
	})
	must(err)
	mustOk(reply.Status)
}
