package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	api "peer/api/rocketmq"
)

const createTimeout = 30 * time.Second

func connect(address string, count int) []api.RocketMQProxyClient {
	clients := make([]api.RocketMQProxyClient, count)
	for index := range clients {
		connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		must(err)
		clients[index] = api.NewRocketMQProxyClient(connection)
	}
	return clients
}

func createProducer(client api.RocketMQProxyClient, topic string) string {
	ctx, cancel := context.WithTimeout(context.Background(), createTimeout)
	defer cancel()
	created, err := client.CreateProducer(ctx, &api.CreateProducerRequest{Topic: topic})
	must(err)
	mustSucceed(created.Success, created.Message)
	return created.ProducerId
}

// sender sends what one call takes and says how many messages that were.
type sender func(client api.RocketMQProxyClient) (int, error)

const batchSize = 32

// failureOf is what was wrong with a call, also where its answer tells so by a field.
func failureOf(answer interface {
	GetSuccess() bool
	GetMessage() string
}, err error) error {
	if err == nil && !answer.GetSuccess() {
		return fmt.Errorf("refused: %s", answer.GetMessage())
	}
	return err
}

func senderOf(kind string, producerId string, bodyBytes int) sender {
	body := strings.Repeat("x", bodyBytes)
	properties := &api.MessageProperties{
		Properties: map[string]string{"a": "1", "b": "2", "c": "3"},
		MessageKey: "key",
	}
	switch kind {
	case "message":
		request := &api.SendMessageRequest{ProducerId: producerId, MessageBody: body, Tag: "bench", Properties: properties}
		return func(client api.RocketMQProxyClient) (int, error) {
			reply, err := client.SendMessage(context.Background(), request)
			return 1, failureOf(reply, err)
		}
	case "ordered":
		var turn atomic.Int64
		return func(client api.RocketMQProxyClient) (int, error) {
			reply, err := client.SendOrderedMessage(context.Background(), &api.SendOrderedMessageRequest{
				ProducerId: producerId, MessageBody: body, Tag: "bench", Properties: properties,
				ShardingKey: fmt.Sprint("order-", turn.Add(1)%1000),
			})
			return 1, failureOf(reply, err)
		}
	case "batch":
		request := &api.SendMessagesRequest{ProducerId: producerId}
		for range batchSize {
			request.Messages = append(request.Messages, &api.OutgoingMessage{MessageBody: body, Tag: "bench", Properties: properties})
		}
		return func(client api.RocketMQProxyClient) (int, error) {
			reply, err := client.SendMessages(context.Background(), request)
			for _, outcome := range reply.GetOutcomes() {
				if err == nil {
					err = failureOf(outcome.Outcome, nil)
				}
			}
			return batchSize, err
		}
	}
	fail(fmt.Errorf("%s is not message, ordered, batch or publish", kind))
	return nil
}

// publisher sends by one Publish stream for each client, each request with one message.
type publisher struct {
	stream  grpc.BidiStreamingClient[api.PublishRequest, api.PublishResponse]
	mutex   sync.Mutex
	lastId  int64
	waiting map[int64]chan struct{}
}

func newPublisher(client api.RocketMQProxyClient) *publisher {
	stream, err := client.Publish(context.Background())
	must(err)
	p := &publisher{stream: stream, waiting: map[int64]chan struct{}{}}
	go func() {
		for {
			reply, err := stream.Recv()
			must(err)
			mustSucceed(reply.Outcome.Success && reply.Outcomes[0].Outcome.Success, reply.String())
			p.mutex.Lock()
			answered := p.waiting[reply.RequestId]
			delete(p.waiting, reply.RequestId)
			p.mutex.Unlock()
			close(answered)
		}
	}()
	return p
}

func (p *publisher) send(producerId string, message *api.OutgoingMessage) {
	answered := make(chan struct{})
	p.mutex.Lock()
	p.lastId++
	p.waiting[p.lastId] = answered
	err := p.stream.Send(&api.PublishRequest{RequestId: p.lastId, ProducerId: producerId, Messages: []*api.OutgoingMessage{message}})
	p.mutex.Unlock()
	must(err)
	<-answered
}

// publishers gives a sender that uses one stream for each client.
func publishers(clients []api.RocketMQProxyClient, producerId string, bodyBytes int) sender {
	message := &api.OutgoingMessage{MessageBody: strings.Repeat("x", bodyBytes), Tag: "bench"}
	streams := map[api.RocketMQProxyClient]*publisher{}
	for _, client := range clients {
		streams[client] = newPublisher(client)
	}
	return func(client api.RocketMQProxyClient) (int, error) {
		streams[client].send(producerId, message)
		return 1, nil
	}
}

// send ADDRESS KIND TOPICS IN_FLIGHT CONNECTIONS WARM_MS MEASURED_MS BODY_BYTES; several topics with commas between. KIND is message or ordered
// for unary calls, batch for SendMessages of 32, publish for streams.
func send(arguments []string) {
	kind, topics := arguments[1], strings.Split(arguments[2], ",")
	clients := connect(arguments[0], number(arguments[4]))
	bodyBytes := number(arguments[7])
	senders := make([]sender, len(topics))
	for index, topic := range topics {
		producerId := createProducer(clients[0], topic)
		if kind == "publish" {
			senders[index] = publishers(clients, producerId, bodyBytes)
		} else {
			senders[index] = senderOf(kind, producerId, bodyBytes)
		}
	}
	call := func(turn int) (int, error) {
		return senders[turn%len(senders)](clients[turn%len(clients)])
	}
	// Many first sends to a topic at once would each ask for its route, and a Go proxy fails some.
	for turn := range senders {
		eventually(func() error {
			_, err := call(turn)
			return err
		})
	}
	measureLoad(number(arguments[3]), milliseconds(arguments[5]), milliseconds(arguments[6]), func(turn int) int {
		count, err := call(turn)
		must(err)
		return count
	})
	untilToldToEnd()
}
