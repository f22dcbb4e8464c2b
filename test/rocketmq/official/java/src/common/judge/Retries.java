package judge;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.common.message.MessageExt;

/** What becomes of messages that a push consumer does not manage. */
final class Retries {
    /** First delay level of a first retry is 3: 10 s. */
    private static final long DEFAULT_DELAY_MS = 10_000;

    private Retries() {
    }

    static void addTo(Map<String, Scenario> scenarios) {
        scenarios.put("push-retry", Retries::retry);
        scenarios.put("push-dead-letter", Retries::deadLetter);
        scenarios.put("push-partial-ack", Retries::partialAck);
    }

    /**
     * A retry topic is made when the first consumer of a group says hello, and a client looks for queues every 15 s: so the group
     * is introduced by a consumer that leaves again.
     */
    private static void introduce(Context c, String topic, String group) throws Exception {
        DefaultMQPushConsumer consumer = c.pushConsumer(group);
        Pushes.listen(consumer, topic, "*", new Collector());
        c.await("the retry topic of a new group", () -> c.shared.hasRoute("%RETRY%" + group));
        consumer.shutdown();
    }

    private static void retry(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        String group = c.named("group");
        introduce(c, topic, group);
        Collector collector = new Collector();
        MessageListenerConcurrently listener = (messages, context) -> {
            collector.add(messages);
            String body = Context.body(messages.get(0));
            int times = messages.get(0).getReconsumeTimes();
            if (body.equals("quick") && times < 2) context.setDelayLevelWhenNextConsume(1);
            if (body.equals("quick") && times < 2) return ConsumeConcurrentlyStatus.RECONSUME_LATER;
            if (body.equals("thrower") && times == 0) throw new IllegalStateException("on purpose");
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        };
        Pushes.listen(c.pushConsumer(group), topic, "*", listener);
        c.sendAll(c.producer(), topic, Arrays.asList("fine", "quick", "thrower"));
        c.await("2 redeliveries after 1 s each", 12_000, () -> collector.of("quick").size() >= 3);
        c.await("1 redelivery after 10 s", 20_000, () -> collector.of("thrower").size() >= 2);
        Thread.sleep(1_000);
        Context.same("deliveries of fine", 1, collector.of("fine").size());
        List<Collector.Arrival> quick = collector.of("quick");
        Context.same("deliveries of quick", 3, quick.size());
        for (int times = 0; times < 3; times++) {
            Context.same("reconsume times", times, quick.get(times).reconsumeTimes);
            Context.same("message id", quick.get(0).message.getMsgId(), quick.get(times).message.getMsgId());
            Context.same("topic", topic, quick.get(times).message.getTopic());
        }
        List<Collector.Arrival> thrown = collector.of("thrower");
        Context.same("deliveries of thrower", 2, thrown.size());
        long tookMs = thrown.get(1).atMs - thrown.get(0).atMs;
        c.fact("quick after " + (quick.get(1).atMs - quick.get(0).atMs) + " ms, thrower after " + tookMs + " ms");
        Context.between("default delay ms", DEFAULT_DELAY_MS - 100, DEFAULT_DELAY_MS + 6_000, tookMs);
        Context.between("level 1 delay ms", 900, 5_000, quick.get(1).atMs - quick.get(0).atMs);
    }

    private static void deadLetter(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        String group = c.named("group");
        introduce(c, topic, group);
        Collector collector = new Collector();
        MessageListenerConcurrently listener = (messages, context) -> {
            collector.add(messages);
            context.setDelayLevelWhenNextConsume(1);
            return ConsumeConcurrentlyStatus.RECONSUME_LATER;
        };
        DefaultMQPushConsumer consumer = c.pushConsumer(group);
        consumer.setMaxReconsumeTimes(1);
        Pushes.listen(consumer, topic, "*", listener);
        c.sendAll(c.producer(), topic, Context.numbered("m", 3));
        List<MessageExt> dead = new ArrayList<>();
        c.await("3 messages in the dead letter queue", 15_000, () -> {
            dead.clear();
            if (c.shared.hasRoute("%DLQ%" + group)) dead.addAll(c.shared.readAll("%DLQ%" + group));
            return dead.size() >= 3;
        });
        Context.sameElements("dead letters", Context.numbered("m", 3), Context.bodies(dead));
        Map<String, String> ids = new HashMap<>();
        for (String body : Context.numbered("m", 3)) {
            Context.same("deliveries of " + body, 2, collector.of(body).size());
            ids.put(body, collector.of(body).get(0).message.getMsgId());
        }
        for (MessageExt message : dead) {
            Context.same("id of a dead letter", ids.get(Context.body(message)), message.getMsgId());
            Context.same("topic that it comes from", topic, message.getProperty("DLQ_ORIGIN_TOPIC") == null
                ? message.getProperty("RETRY_TOPIC") : message.getProperty("DLQ_ORIGIN_TOPIC"));
        }
    }

    /** A listener may accept the first messages of a batch and leave the rest for later. */
    private static void partialAck(Context c) throws Exception {
        String topic = c.topic("topic", 1);
        String group = c.named("group");
        introduce(c, topic, group);
        List<String> bodies = Context.numbered("m", 10);
        c.sendAll(c.producer(), topic, bodies);
        Collector collector = new Collector();
        List<String> left = new CopyOnWriteArrayList<>();
        MessageListenerConcurrently listener = (messages, context) -> {
            if (messages.get(0).getReconsumeTimes() == 0) {
                context.setAckIndex(0);
                context.setDelayLevelWhenNextConsume(1);
                left.addAll(Context.bodies(messages.subList(1, messages.size())));
            }
            collector.add(messages);
            return ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        };
        DefaultMQPushConsumer consumer = c.pushConsumer(group);
        consumer.setConsumeMessageBatchMaxSize(10);
        Pushes.listen(consumer, topic, "*", listener);
        c.await("all once", () -> collector.count() >= bodies.size());
        c.await("the rest again", () -> collector.count() >= bodies.size() + left.size());
        Thread.sleep(500);
        List<String> expected = new ArrayList<>(bodies);
        expected.addAll(left);
        c.fact(left.size() + " left for later");
        Context.sameElements("received", expected, collector.bodies());
    }
}
