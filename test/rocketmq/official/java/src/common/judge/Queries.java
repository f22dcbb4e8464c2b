package judge;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.rebalance.AllocateMessageQueueAveragely;
import org.apache.rocketmq.client.exception.RequestTimeoutException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.RequestCallback;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.client.utils.MessageUtil;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Questions and answers: messages by id and key, offsets, request and reply, the trace of messages. */
final class Queries {
    private static final String TRACE_TOPIC = "RMQ_SYS_TRACE_TOPIC";

    private Queries() {
    }

    static void addTo(Map<String, Scenario> scenarios) {
        scenarios.put("message-trace", Queries::trace);
        scenarios.put("request-reply", Queries::requestReply);
        scenarios.put("query-message", Queries::queryMessage);
        scenarios.put("query-offsets", Queries::offsets);
    }

    private static void queryMessage(Context c) throws Exception {
        String topic = c.topic("topic", 2);
        DefaultMQProducer producer = c.producer();
        long startMs = System.currentTimeMillis();
        List<SendResult> sent = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            sent.add(c.send(producer, new Message(topic, "tag", "single" + i + " shared", Context.bytes("m" + i))));
        }
        SendResult third = sent.get(3);
        Context.same("by offset id", "m3", Context.body(producer.viewMessage(topic, third.getOffsetMsgId())));
        MessageExt byOffset = c.shared.admin.viewMessage(topic, third.getOffsetMsgId());
        Context.same("message by offset id", "single3 shared", byOffset.getKeys());
        Context.same("its queue offset", third.getQueueOffset(), byOffset.getQueueOffset());
        // A broker writes its index a moment after the message.
        c.await("the message by its unique key", () -> {
            try {
                return Context.body(producer.viewMessage(topic, third.getMsgId())).equals("m3");
            } catch (Exception notYet) {
                c.fact("not yet");
                return false;
            }
        });
        long endMs = System.currentTimeMillis() + 60_000;
        c.await("6 messages by a shared key", () -> queryCount(c, topic, "shared", startMs - 60_000, endMs) == 6);
        Context.same("by a key of its own", 1, queryCount(c, topic, "single4", startMs - 60_000, endMs));
        Context.same("by a key in another time", 0, queryCount(c, topic, "shared", startMs - 600_000, startMs - 300_000));
        Context.same("by a key that nobody has", 0, queryCount(c, topic, "nobody", startMs - 60_000, endMs));
    }

    private static int queryCount(Context c, String topic, String key, long beginMs, long endMs) {
        try {
            return c.shared.admin.queryMessage(topic, key, 32, beginMs, endMs).getMessageList().size();
        } catch (Exception none) {
            // The client makes an error of an empty result.
            return 0;
        }
    }

    private static void offsets(Context c) throws Exception {
        String topic = c.topic("topic", 2);
        DefaultMQProducer producer = c.producer();
        MessageQueue queue = new MessageQueue(topic, c.shared.brokerName(), 1);
        Context.same("max offset of an empty queue", 0L, producer.maxOffset(queue));
        long startMs = System.currentTimeMillis();
        for (int i = 0; i < 5; i++) producer.send(new Message(topic, Context.bytes("a" + i)), queue);
        Thread.sleep(300);
        long middleMs = System.currentTimeMillis();
        Thread.sleep(300);
        for (int i = 0; i < 5; i++) producer.send(new Message(topic, Context.bytes("b" + i)), queue);
        c.await("max offset 10", () -> producer.maxOffset(queue) == 10);
        Context.same("min offset", 0L, producer.minOffset(queue));
        Context.same("offset at a time before", 0L, producer.searchOffset(queue, startMs - 60_000));
        Context.same("offset at a time between", 5L, producer.searchOffset(queue, middleMs));
        Context.same("offset at a time after", 10L, producer.searchOffset(queue, System.currentTimeMillis() + 60_000));
        Context.between("earliest store time after the start", -1_000, 5_000, producer.earliestMsgStoreTime(queue) - startMs);
        MessageQueue empty = new MessageQueue(topic, c.shared.brokerName(), 0);
        Context.same("max offset of the other queue", 0L, producer.maxOffset(empty));
        Context.same("publish queues", 2, producer.fetchPublishMessageQueues(topic).size());
        var stats = c.shared.admin.examineTopicStats(topic).getOffsetTable();
        Context.same("queues in the statistics", 2, stats.size());
        Context.same("max offset in the statistics", 10L, stats.get(queue).getMaxOffset());
        Context.between("last update in the statistics", startMs, startMs + 30_000, stats.get(queue).getLastUpdateTimestamp());
    }

    private static void requestReply(Context c) throws Exception {
        String topic = c.topic("topic", 2);
        DefaultMQProducer replier = c.started(new DefaultMQProducer(c.named("replier"), c.settings.hook()));
        DefaultMQPushConsumer consumer = c.pushConsumer(c.named("group"));
        MessageListenerConcurrently listener = (messages, context) -> {
            for (MessageExt message : messages) {
                if (Context.body(message).equals("ignored")) continue;
                try {
                    replier.send(MessageUtil.createReplyMessage(message, Context.bytes("re: " + Context.body(message))));
                } catch (Exception failure) {
                    c.fact("reply failed: " + failure);
                }
            }
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        };
        Pushes.listen(consumer, topic, "*", listener);
        c.await("the queues", () -> Pushes.queueCount(consumer, topic) == 2);
        DefaultMQProducer producer = c.producer();
        // The first use makes the client register itself, so it must not go to an unknown group.
        for (int i = 0; i < 5; i++) {
            Message reply = producer.request(new Message(topic, Context.bytes("q" + i)), 8_000);
            Context.same("reply", "re: q" + i, Context.body(reply));
        }
        CompletableFuture<String> later = new CompletableFuture<>();
        producer.request(new Message(topic, Context.bytes("async")), new RequestCallback() {
            @Override
            public void onSuccess(Message reply) {
                later.complete(Context.body(reply));
            }

            @Override
            public void onException(Throwable failure) {
                later.completeExceptionally(failure);
            }
        }, 8_000);
        Context.same("asynchronous reply", "re: async", later.get(10, TimeUnit.SECONDS));
        try {
            producer.request(new Message(topic, Context.bytes("ignored")), 1_500);
            Context.check(false, "a request without a reply ends with a time-out");
        } catch (RequestTimeoutException expected) {
            c.fact("time-out as expected");
        }
    }

    private static void trace(Context c) throws Exception {
        String topic = c.topic("topic", 2);
        String group = c.named("group");
        Collector traces = new Collector();
        DefaultMQPushConsumer tracer = c.pushConsumer(c.named("tracer"));
        tracer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_FIRST_OFFSET);
        Pushes.listen(tracer, TRACE_TOPIC, "*", traces);
        Collector collector = new Collector();
        DefaultMQPushConsumer consumer = c.configured(
            new DefaultMQPushConsumer(group, c.settings.hook(), new AllocateMessageQueueAveragely(), true, null));
        c.closing(consumer::shutdown);
        Pushes.listen(consumer, topic, "*", collector);
        DefaultMQProducer producer = c.started(new DefaultMQProducer(c.named("producer"), c.settings.hook(), true, null));
        SendResult sent = c.send(producer, new Message(topic, "tag", "key", Context.bytes("traced")));
        c.await("the message", () -> collector.count() == 1);
        for (String type : Arrays.asList("Pub", "SubBefore", "SubAfter")) {
            c.await("a trace of kind " + type, 15_000, () -> traces.arrivals().stream()
                .flatMap(arrival -> Arrays.stream(arrival.body().split("\u0002")))
                .anyMatch(line -> line.startsWith(type + "\u0001") && line.contains(sent.getMsgId())));
        }
        Context.check(traces.arrivals().stream().anyMatch(arrival -> (" " + arrival.message.getKeys() + " ").contains(" " + sent.getMsgId() + " ")),
            "a trace has the message's id among its keys");
    }
}
