package main

import (
	"context"
	"fmt"
	"sort"
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
	return created.ProducerId
}

// sender sends what one call takes and says how many messages that were.
type sender func(client api.RocketMQProxyClient) int

const batchSize = 32

func senderOf(kind string, producerId string, bodyBytes int) sender {
	body := strings.Repeat("x", bodyBytes)
	properties := &api.MessageProperties{
		Properties: map[string]string{"a": "1", "b": "2", "c": "3"},
		MessageKey: "key",
	}
	switch kind {
	case "message":
		request := &api.SendMessageRequest{ProducerId: producerId, MessageBody: body, Tag: "bench", Properties: properties}
		return func(client api.RocketMQProxyClient) int {
			_, err := client.SendMessage(context.Background(), request)
			must(err)
			return 1
		}
	case "ordered":
		var turn atomic.Int64
		return func(client api.RocketMQProxyClient) int {
			_, err := client.SendOrderedMessage(context.Background(), &api.SendOrderedMessageRequest{
				ProducerId: producerId, MessageBody: body, Tag: "bench", Properties: properties,
				ShardingKey: fmt.Sprint("order-", turn.Add(1)%1000),
			})
			must(err)
			return 1
		}
	case "batch":
		request := &api.SendMessagesRequest{ProducerId: producerId}
		for range batchSize {
			request.Messages = append(request.Messages, &api.OutgoingMessage{MessageBody: body, Tag: "bench", Properties: properties})
		}
		return func(client api.RocketMQProxyClient) int {
			reply, err := client.SendMessages(context.Background(), request)
			must(err)
			for _, outcome := range reply.Outcomes {
				if !outcome.Outcome.Success {
					fail(fmt.Errorf("not stored: %s", outcome.Outcome.Message))
				}
			}
			return batchSize
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
			if !reply.Outcome.Success || !reply.Outcomes[0].Outcome.Success {
				fail(fmt.Errorf("not stored: %v", reply))
			}
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
	return func(client api.RocketMQProxyClient) int {
		streams[client].send(producerId, message)
		return 1
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
	inFlight := number(arguments[3])
	load(clients, senders, inFlight, milliseconds(arguments[5]))
	fmt.Println(`{"event":"measured"}`)
	started := time.Now()
	count, latencies := load(clients, senders, inFlight, milliseconds(arguments[6]))
	done(count, time.Since(started), latencies)
	untilSignal()
}

// load keeps so many calls in flight for a while; gives the messages sent and the time of each call.
func load(clients []api.RocketMQProxyClient, senders []sender, inFlight int, duration time.Duration) (int, []time.Duration) {
	var mutex sync.Mutex
	var all []time.Duration
	var count int
	var workers sync.WaitGroup
	until := time.Now().Add(duration)
	for index := range inFlight {
		client := clients[index%len(clients)]
		workers.Add(1)
		go func() {
			defer workers.Done()
			var own []time.Duration
			var sent int
			for now, turn := time.Now(), index; now.Before(until); turn++ {
				sent += senders[turn%len(senders)](client)
				later := time.Now()
				own = append(own, later.Sub(now))
				now = later
			}
			mutex.Lock()
			all = append(all, own...)
			count += sent
			mutex.Unlock()
		}()
	}
	workers.Wait()
	return count, all
}

// receive ADDRESS TOPIC GROUP COUNT STREAMS: one AckMessage for each message; the first fifth is for getting warm.
func receive(arguments []string) {
	clients := connect(arguments[0], number(arguments[4]))
	count := int64(number(arguments[3]))
	warm := count / 5
	ctx, cancel := context.WithTimeout(context.Background(), createTimeout)
	created, err := clients[0].CreateConsumer(ctx, &api.CreateConsumerRequest{
		Topic:       arguments[1],
		GroupId:     arguments[2],
		ConsumeFrom: api.ConsumeFrom_CONSUME_FROM_FIRST,
	})
	cancel()
	must(err)
	var acked atomic.Int64
	var started time.Time
	end := make(chan struct{})
	acknowledged := func() {
		switch acked.Add(1) {
		case warm:
			started = time.Now()
			fmt.Println(`{"event":"measured"}`)
		case count:
			close(end)
		}
	}
	for _, client := range clients {
		go receiveFrom(client, created.ConsumerId, acknowledged)
	}
	<-end
	done(int(count-warm), time.Since(started), nil)
	untilSignal()
}

func receiveFrom(client api.RocketMQProxyClient, consumerId string, acknowledged func()) {
	stream, err := client.ReceiveMessages(context.Background(), &api.ReceiveMessagesRequest{ConsumerId: consumerId})
	must(err)
	handles := make(chan string, 1024)
	for range 64 {
		go func() {
			for handle := range handles {
				_, err := client.AckMessage(context.Background(), &api.AckMessageRequest{ConsumerId: consumerId, ReceiptHandle: handle})
				must(err)
				acknowledged()
			}
		}()
	}
	for {
		message, err := stream.Recv()
		must(err)
		handles <- message.ReceiptHandle
	}
}

// live ADDRESS TOPIC GROUP PER_SECOND WARM_MS MEASURED_MS: messages sent at a steady rate to a stream that waits; the time from the send to the
// arrival.
func live(arguments []string) {
	clients := connect(arguments[0], 2)
	producerId := createProducer(clients[0], arguments[1])
	// The first message only makes the topic.
	sendNow(clients[0], producerId)
	ctx, cancel := context.WithTimeout(context.Background(), createTimeout)
	created, err := clients[1].CreateConsumer(ctx, &api.CreateConsumerRequest{Topic: arguments[1], GroupId: arguments[2]})
	cancel()
	must(err)
	stream, err := clients[1].ReceiveMessages(context.Background(), &api.ReceiveMessagesRequest{ConsumerId: created.ConsumerId})
	must(err)
	perSecond := number(arguments[3])
	warm := perSecond * number(arguments[4]) / 1000
	count := perSecond * number(arguments[5]) / 1000
	go func() {
		// A consumer that has just joined may begin at the end of each queue.
		time.Sleep(3 * time.Second)
		ticker := time.NewTicker(time.Second / time.Duration(perSecond))
		for {
			<-ticker.C
			go sendNow(clients[0], producerId)
		}
	}()
	var started time.Time
	latencies := make([]time.Duration, 0, count)
	for len(latencies) < count {
		message, err := stream.Recv()
		must(err)
		latency := time.Since(time.UnixMicro(int64(number(message.MessageBody))))
		go func() {
			_, err := clients[1].AckMessage(context.Background(), &api.AckMessageRequest{ConsumerId: created.ConsumerId, ReceiptHandle: message.ReceiptHandle})
			must(err)
		}()
		switch {
		case warm > 0:
			warm--
			if warm == 0 {
				started = time.Now()
				fmt.Println(`{"event":"measured"}`)
			}
		default:
			latencies = append(latencies, latency)
		}
	}
	done(count, time.Since(started), latencies)
	untilSignal()
}

func sendNow(client api.RocketMQProxyClient, producerId string) {
	body := fmt.Sprint(time.Now().UnixMicro())
	_, err := client.SendMessage(context.Background(), &api.SendMessageRequest{ProducerId: producerId, MessageBody: body})
	must(err)
}

// idle ADDRESS TOPIC GROUP STREAMS CONNECTIONS: streams that wait.
func idle(arguments []string) {
	clients := connect(arguments[0], number(arguments[4]))
	// The first message only makes the topic.
	sendNow(clients[0], createProducer(clients[0], arguments[1]))
	ctx, cancel := context.WithTimeout(context.Background(), createTimeout)
	created, err := clients[0].CreateConsumer(ctx, &api.CreateConsumerRequest{Topic: arguments[1], GroupId: arguments[2]})
	cancel()
	must(err)
	open := func(index int) {
		_, err := clients[index%len(clients)].ReceiveMessages(context.Background(), &api.ReceiveMessagesRequest{ConsumerId: created.ConsumerId})
		must(err)
	}
	// One on each connection, so that what connections cost is not counted.
	for index := range clients {
		open(index)
	}
	time.Sleep(2 * time.Second)
	fmt.Println(`{"event":"measured"}`)
	for index := range number(arguments[3]) {
		open(index)
	}
	time.Sleep(5 * time.Second)
	done(number(arguments[3]), 5*time.Second, nil)
	untilSignal()
}

func done(count int, duration time.Duration, latencies []time.Duration) {
	sort.Slice(latencies, func(i, j int) bool { return latencies[i] < latencies[j] })
	fmt.Printf("{\"event\":\"done\",\"count\":%d,\"seconds\":%.6f,\"p50Ms\":%.3f,\"p99Ms\":%.3f}\n",
		count, duration.Seconds(), at(latencies, 0.5), at(latencies, 0.99))
}

func at(sorted []time.Duration, part float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	index := min(len(sorted)-1, int(float64(len(sorted))*part))
	return float64(sorted[index].Nanoseconds()) / 1e6
}
