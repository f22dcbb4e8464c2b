package main

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
	"github.com/apache/rocketmq-client-go/v2/rlog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	api "peer/api/rocketmq"
)

// ackTimeout is how long a message may be in flight before it is delivered again.
const ackTimeout = 30 * time.Second

// inFlightMax is how many messages one consumer may have in flight.
const inFlightMax = 1024

// proxy serves the published API by the official Go client: one producer for all, one push consumer for each CreateConsumer.
type proxy struct {
	api.UnimplementedRocketMQProxyServer
	nameServer string
	producer   rocketmq.Producer
	mutex      sync.Mutex
	topics     map[string]string
	consumers  map[string]*pushed
	lastId     atomic.Int64
}

// pushed is a consumer: what its handler was given, on the way to the stream, and what waits for an acknowledgement.
type pushed struct {
	consumer rocketmq.PushConsumer
	messages chan *api.Message
	waiting  sync.Map
}

// proxy NAME_SERVER
func serve(arguments []string) {
	nameServer := arguments[0]
	rlog.SetLogLevel("error")
	p, err := rocketmq.NewProducer(
		producer.WithNameServer([]string{nameServer}), producer.WithGroupName("bench_go_proxy"),
		producer.WithQueueSelector(producer.NewHashQueueSelector()))
	must(err)
	must(p.Start())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	server := grpc.NewServer()
	api.RegisterRocketMQProxyServer(server, &proxy{
		nameServer: nameServer,
		producer:   p,
		topics:     map[string]string{},
		consumers:  map[string]*pushed{},
	})
	go func() { must(server.Serve(listener)) }()
	fmt.Printf("{\"grpc\":%q}\n", listener.Addr().String())
	untilToldToEnd()
}

func (p *proxy) newId(kind string) string {
	return kind + strconv.FormatInt(p.lastId.Add(1), 10)
}

func (p *proxy) CreateProducer(_ context.Context, request *api.CreateProducerRequest) (*api.CreateProducerResponse, error) {
	id := p.newId("producer-")
	p.mutex.Lock()
	p.topics[id] = request.Topic
	p.mutex.Unlock()
	return &api.CreateProducerResponse{Success: true, ProducerId: id}, nil
}

func (p *proxy) SendMessage(ctx context.Context, request *api.SendMessageRequest) (*api.SendMessageResponse, error) {
	return p.send(ctx, request, "")
}

func (p *proxy) SendOrderedMessage(ctx context.Context, request *api.SendOrderedMessageRequest) (*api.SendMessageResponse, error) {
	return p.send(ctx, request, request.ShardingKey)
}

// sendRequest is what the requests of sending have in common.
type sendRequest interface {
	GetProducerId() string
	GetMessageBody() string
	GetTag() string
	GetProperties() *api.MessageProperties
}

func (p *proxy) send(ctx context.Context, request sendRequest, shardingKey string) (*api.SendMessageResponse, error) {
	p.mutex.Lock()
	topic, known := p.topics[request.GetProducerId()]
	p.mutex.Unlock()
	if !known {
		return nil, status.Error(codes.NotFound, "no such producer")
	}
	message := primitive.NewMessage(topic, []byte(request.GetMessageBody()))
	if properties := request.GetProperties(); properties != nil {
		message.WithProperties(properties.Properties)
		if properties.MessageKey != "" {
			message.WithKeys([]string{properties.MessageKey})
		}
	}
	if request.GetTag() != "" {
		message.WithTag(request.GetTag())
	}
	if shardingKey != "" {
		message.WithShardingKey(shardingKey)
	}
	result, err := p.producer.SendSync(ctx, message)
	if err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	return &api.SendMessageResponse{Success: true, MessageId: result.MsgID, ReceiptHandle: result.MsgID}, nil
}

func (p *proxy) CreateConsumer(_ context.Context, request *api.CreateConsumerRequest) (*api.CreateConsumerResponse, error) {
	id := p.newId("consumer-")
	created := &pushed{messages: make(chan *api.Message, inFlightMax)}
	created.consumer = startConsumer(request.Topic, created.handle,
		consumer.WithNameServer([]string{p.nameServer}),
		consumer.WithGroupName(request.GroupId),
		consumer.WithInstance(id),
		consumer.WithConsumeGoroutineNums(inFlightMax))
	p.mutex.Lock()
	p.consumers[id] = created
	p.mutex.Unlock()
	return &api.CreateConsumerResponse{Success: true, ConsumerId: id}, nil
}

// handle gives messages to the stream and waits until they are acknowledged.
func (c *pushed) handle(_ context.Context, messages ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
	for _, message := range messages {
		acked := make(chan struct{})
		handle := message.MsgId + "/" + strconv.FormatInt(message.QueueOffset, 10)
		c.waiting.Store(handle, acked)
		c.messages <- &api.Message{
			MessageId:      message.MsgId,
			ReceiptHandle:  handle,
			MessageBody:    string(message.Body),
			Tag:            message.GetTags(),
			Properties:     message.GetProperties(),
			BornTimestamp:  message.BornTimestamp,
			ReconsumeTimes: message.ReconsumeTimes,
		}
		timer := time.NewTimer(ackTimeout)
		select {
		case <-acked:
			timer.Stop()
		case <-timer.C:
			c.waiting.Delete(handle)
			return consumer.ConsumeRetryLater, nil
		}
	}
	return consumer.ConsumeSuccess, nil
}

func (p *proxy) consumerOf(id string) (*pushed, error) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if found, known := p.consumers[id]; known {
		return found, nil
	}
	return nil, status.Error(codes.NotFound, "no such consumer")
}

func (p *proxy) ReceiveMessages(request *api.ReceiveMessagesRequest, stream grpc.ServerStreamingServer[api.Message]) error {
	from, err := p.consumerOf(request.ConsumerId)
	if err != nil {
		return err
	}
	for {
		select {
		case message := <-from.messages:
			if err := stream.Send(message); err != nil {
				return err
			}
		case <-stream.Context().Done():
			return nil
		}
	}
}

func (p *proxy) AckMessage(_ context.Context, request *api.AckMessageRequest) (*api.AckMessageResponse, error) {
	from, err := p.consumerOf(request.ConsumerId)
	if err != nil {
		return nil, err
	}
	acked, waits := from.waiting.LoadAndDelete(request.ReceiptHandle)
	if !waits {
		return nil, status.Error(codes.NotFound, "no such receipt handle")
	}
	close(acked.(chan struct{}))
	return &api.AckMessageResponse{Success: true}, nil
}

func (p *proxy) CleanupConsumer(_ context.Context, request *api.CleanupConsumerRequest) (*api.CleanupConsumerResponse, error) {
	from, err := p.consumerOf(request.ConsumerId)
	if err != nil {
		return nil, err
	}
	p.mutex.Lock()
	delete(p.consumers, request.ConsumerId)
	p.mutex.Unlock()
	return &api.CleanupConsumerResponse{Success: true, CleanedCount: 1}, from.consumer.Shutdown()
}
