package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	api "peer/api/rocketmq"
)

// ackersPerConnection is how many acknowledgements of each connection may be under way.
const ackersPerConnection = 64

// ackers gives what is received to so many goroutines.
func ackers[T any](count int, ack func(T)) chan<- T {
	received := make(chan T, 1024)
	for range count {
		go func() {
			for one := range received {
				ack(one)
			}
		}()
	}
	return received
}

func createConsumer(client api.RocketMQProxyClient, request *api.CreateConsumerRequest) string {
	ctx, cancel := context.WithTimeout(context.Background(), createTimeout)
	defer cancel()
	created, err := client.CreateConsumer(ctx, request)
	must(err)
	mustSucceed(created.Success, created.Message)
	return created.ConsumerId
}

func ackMessage(client api.RocketMQProxyClient, consumerId string, handle string) {
	eventually(func() error {
		reply, err := client.AckMessage(context.Background(), &api.AckMessageRequest{ConsumerId: consumerId, ReceiptHandle: handle})
		err = failureOf(reply, err)
		if err != nil && status.Code(err) != codes.ResourceExhausted {
			fail(err)
		}
		// Else a broker has too much to do: its clients are to try again.
		return err
	})
}

// receive ADDRESS TOPIC GROUP COUNT STREAMS: one AckMessage for each message.
func receive(arguments []string) {
	clients := connect(arguments[0], number(arguments[4]))
	backlog := newBacklog(number(arguments[3]))
	consumerId := createConsumer(clients[0], &api.CreateConsumerRequest{
		Topic:       arguments[1],
		GroupId:     arguments[2],
		ConsumeFrom: api.ConsumeFrom_CONSUME_FROM_FIRST,
	})
	for _, client := range clients {
		go receiveEach(client, consumerId, ackersPerConnection, func() { backlog.add(1) })
	}
	backlog.untilDone()
	untilToldToEnd()
}

// groups ADDRESS TOPIC GROUP GROUPS COUNT CONNECTIONS: each of several groups receives so many messages by a stream of its own. They are to be stored
// once each group has got the one that was there before.
func groups(arguments []string) {
	groupCount, perGroup := number(arguments[3]), number(arguments[4])
	clients := connect(arguments[0], number(arguments[5]))
	backlog := newBacklog(groupCount * perGroup)
	ackerCount := max(1, ackersPerConnection*len(clients)/groupCount)
	var joined sync.WaitGroup
	joined.Add(groupCount)
	join := func(client api.RocketMQProxyClient, index int) {
		consumerId := createConsumer(client, &api.CreateConsumerRequest{
			Topic:       arguments[1],
			GroupId:     fmt.Sprint(arguments[2], "_", index),
			ConsumeFrom: api.ConsumeFrom_CONSUME_FROM_FIRST,
		})
		var received atomic.Int64
		go receiveEach(client, consumerId, ackerCount, func() {
			if received.Add(1) == 1 {
				joined.Done()
			} else {
				backlog.add(1)
			}
		})
	}
	for first, client := range clients {
		go func() {
			for index := first; index < groupCount; index += len(clients) {
				join(client, index)
			}
		}()
	}
	joined.Wait()
	fmt.Println(`{"event":"joined"}`)
	backlog.untilDone()
	untilToldToEnd()
}

// receiveEach acknowledges each message, and says so.
func receiveEach(client api.RocketMQProxyClient, consumerId string, ackerCount int, acked func()) {
	stream, err := client.ReceiveMessages(context.Background(), &api.ReceiveMessagesRequest{ConsumerId: consumerId})
	must(err)
	received := ackers(ackerCount, func(handle string) {
		ackMessage(client, consumerId, handle)
		acked()
	})
	for {
		message, err := stream.Recv()
		must(err)
		received <- message.ReceiptHandle
	}
}

// live ADDRESS TOPIC GROUP PER_SECOND WARM_MS MEASURED_MS: messages sent at a steady rate to a stream that waits; the time from the send to the
// arrival.
func live(arguments []string) {
	clients := connect(arguments[0], 2)
	producerId := createProducer(clients[0], arguments[1])
	consumerId := createConsumer(clients[1], &api.CreateConsumerRequest{Topic: arguments[1], GroupId: arguments[2]})
	stream, err := clients[1].ReceiveMessages(context.Background(), &api.ReceiveMessagesRequest{ConsumerId: consumerId})
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
		go ackMessage(clients[1], consumerId, message.ReceiptHandle)
		sentMicros, err := strconv.ParseInt(message.MessageBody, 10, 64)
		if err != nil {
			// What made the topic.
			continue
		}
		latency := time.Since(time.UnixMicro(sentMicros))
		switch {
		case warm > 0:
			warm--
			if warm == 0 {
				started = time.Now()
				sayMeasured()
			}
		default:
			latencies = append(latencies, latency)
		}
	}
	sayDone(count, time.Since(started), latencies)
	untilToldToEnd()
}

func sendNow(client api.RocketMQProxyClient, producerId string) {
	body := fmt.Sprint(time.Now().UnixMicro())
	reply, err := client.SendMessage(context.Background(), &api.SendMessageRequest{ProducerId: producerId, MessageBody: body})
	must(err)
	mustSucceed(reply.Success, reply.Message)
}

const (
	// settleTime is given to a proxy that was asked for many streams at once.
	settleTime = 2 * time.Second
	// idleTime is how long streams wait while their CPU time is counted.
	idleTime = 5 * time.Second
)

// idle ADDRESS TOPIC GROUP STREAMS CONNECTIONS GROUPS: streams that wait, of one group or of several. Half as many are opened before, so
// that neither what connections cost nor the growth of a heap that was never used is counted.
func idle(arguments []string) {
	clients := connect(arguments[0], number(arguments[4]))
	streamCount, groupCount := number(arguments[3]), number(arguments[5])
	consumerIds := make([]string, groupCount)
	for index := range consumerIds {
		group := fmt.Sprint(arguments[2], "_", index)
		consumerIds[index] = createConsumer(clients[0], &api.CreateConsumerRequest{Topic: arguments[1], GroupId: group})
	}
	open := func(count int) {
		for index := range count {
			request := &api.ReceiveMessagesRequest{ConsumerId: consumerIds[index%groupCount]}
			_, err := clients[index%len(clients)].ReceiveMessages(context.Background(), request)
			must(err)
		}
		time.Sleep(settleTime)
	}
	open(streamCount / 2)
	sayMeasured()
	open(streamCount)
	fmt.Println(`{"event":"opened"}`)
	time.Sleep(idleTime)
	sayDone(streamCount, idleTime, nil)
	untilToldToEnd()
}
