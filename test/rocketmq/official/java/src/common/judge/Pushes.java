package judge;

import java.time.LocalDateTime;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.MessageSelector;
import org.apache.rocketmq.client.consumer.listener.ConsumeOrderlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.consumer.listener.MessageListenerOrderly;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.consumer.ConsumeFromWhere;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;

/** Push consumers that pull: shares, order, filters, places to start from. */
final class Pushes {
    /** A client looks for its queues every 15 s, as official.ts has it; sooner only when the broker tells it that its group has changed. */
    private static final int TOLD_MS = 10_000;

    private static final int LOCKED_MS = 25_000;

    private Pushes() {
    }

    static void addTo(Map<String, Scenario> scenarios) {
        scenarios.put("push-orderly", Pushes::orderly);
        scenarios.put("push-clustering", Pushes::clustering);
        scenarios.put("push-take-over", Pushes::takeOver);
        scenarios.put("push-broadcasting", Pushes::broadcasting);
        scenarios.put("push-tag-filter", Pushes::tagFilter);
        scenarios.put("push-sql-filter", Pushes::sqlFilter);
        scenarios.put("push-from-first", Pushes::fromFirst);
        scenarios.put("push-from-timestamp", Pushes::fromTimestamp);
        scenarios.put("push-resume", Pushes::resume);
        scenarios.put("push-latency", Pushes::latency);
    }

    static void listen(DefaultMQPushConsumer consumer, String topic, String tags, MessageListenerConcurrently listener)
        throws MQClientException {
        consumer.subscribe(topic, tags);
        consumer.registerMessageListener(listener);
        consumer.start();
    }

    /** Queues of the topic that the client pulls from now. */
    static int queueCount(DefaultMQPushConsumer consumer, String topic) {
        int count = 0;
        for (MessageQueue queue : consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getProcessQueueTable().keySet()) {
            if (queue.getTopic().equals(topic)) count++;
        }
        return count;
    }

    private static List<String> together(Collector first, Collector second) {
        List<String> all = new ArrayList<>(first.bodies());
        all.addAll(second.bodies());
        return all;
    }

    private static void clustering(Context c) throws Exception {
        String topic = c.topic("topic", 8);
        String group = c.named("group");
        Collector first = new Collector();
        Collector second = new Collector();
        DefaultMQPushConsumer one = c.pushConsumer(group);
        DefaultMQPushConsumer two = c.pushConsumer(group);
        listen(one, topic, "*", first);
        c.await("all 8 queues for the only consumer", () -> queueCount(one, topic) == 8);
        listen(two, topic, "*", second);
        c.await("4 queues each", TOLD_MS, () -> queueCount(one, topic) == 4 && queueCount(two, topic) == 4);
        DefaultMQProducer producer = c.producer();
        List<String> bodies = Context.numbered("a", 200);
        c.sendAll(producer, topic, bodies);
        c.await("200 deliveries", () -> first.count() + second.count() >= bodies.size());
        Context.sameElements("received", bodies, together(first, second));
        Context.same("share of the first", 100, first.count());
        one.shutdown();
        c.await("all 8 queues for the one that stays", TOLD_MS, () -> queueCount(two, topic) == 8);
        List<String> more = Context.numbered("b", 80);
        c.sendAll(producer, topic, more);
        c.await("80 more deliveries", () -> second.bodies().containsAll(more));
        Thread.sleep(500);
        for (String body : more) Context.same("deliveries of " + body, 1, second.of(body).size());
        Context.same("nothing more for the first", 100, first.count());
        // The last offsets of the first may come after the second has asked for them.
        c.fact("taken over twice: " + (second.count() - 180));
    }

    /** Messages keep coming while one of two consumers leaves: none is lost, and few come twice. */
    private static void takeOver(Context c) throws Exception {
        String topic = c.topic("topic", 8);
        String group = c.named("group");
        Collector first = new Collector();
        Collector second = new Collector();
        DefaultMQPushConsumer one = c.pushConsumer(group);
        DefaultMQPushConsumer two = c.pushConsumer(group);
        listen(one, topic, "*", first);
        listen(two, topic, "*", second);
        c.await("4 queues each", TOLD_MS, () -> queueCount(one, topic) == 4 && queueCount(two, topic) == 4);
        DefaultMQProducer producer = c.producer();
        List<String> bodies = Context.numbered("m", 400);
        for (int i = 0; i < bodies.size(); i++) {
            c.send(producer, new Message(topic, Context.bytes(bodies.get(i))));
            if (i == 150) new Thread(one::shutdown).start();
            Thread.sleep(5);
        }
        c.await("all without loss", 15_000, () -> together(first, second).containsAll(bodies));
        int twice = first.count() + second.count() - bodies.size();
        c.fact(first.count() + " + " + second.count() + ", twice " + twice);
        Context.between("delivered twice", 0, 64, twice);
        Context.between("before the first left", 1, 399, first.count());
    }

    private static void broadcasting(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        String group = c.named("group");
        List<Collector> collectors = Arrays.asList(new Collector(), new Collector());
        for (Collector collector : collectors) {
            DefaultMQPushConsumer consumer = c.pushConsumer(group);
            Moved.broadcast(consumer);
            listen(consumer, topic, "*", collector);
            c.await("all queues", () -> queueCount(consumer, topic) == 4);
        }
        List<String> bodies = Context.numbered("m", 40);
        c.sendAll(c.producer(), topic, bodies);
        for (Collector collector : collectors) c.await("40 deliveries to each", () -> collector.count() >= 40);
        Thread.sleep(500);
        for (Collector collector : collectors) Context.sameElements("received", bodies, collector.bodies());
    }

    private static void orderly(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        String group = c.named("group");
        Map<Integer, Queue<String>> accepted = new ConcurrentHashMap<>();
        AtomicBoolean isSuspended = new AtomicBoolean();
        List<DefaultMQPushConsumer> consumers = Arrays.asList(c.pushConsumer(group), c.pushConsumer(group));
        for (DefaultMQPushConsumer consumer : consumers) {
            consumer.setSuspendCurrentQueueTimeMillis(300);
            consumer.subscribe(topic, "*");
            consumer.registerMessageListener((MessageListenerOrderly) (messages, context) -> {
                MessageExt message = messages.get(0);
                boolean isMiddle = Context.body(message).equals("2-20");
                if (isMiddle && isSuspended.compareAndSet(false, true)) return ConsumeOrderlyStatus.SUSPEND_CURRENT_QUEUE_A_MOMENT;
                accepted.computeIfAbsent(message.getQueueId(), id -> new ConcurrentLinkedQueue<>()).add(Context.body(message));
                return ConsumeOrderlyStatus.SUCCESS;
            });
            consumer.start();
        }
        // A 4.9 client tries again after 15 s where it wants a queue that the other one has not unlocked yet.
        c.await("2 queues each", LOCKED_MS, () -> consumers.stream().allMatch(consumer -> queueCount(consumer, topic) == 2));
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < 40; i++) {
            for (int queueId = 0; queueId < 4; queueId++) {
                producer.send(new Message(topic, Context.bytes(queueId + "-" + i)),
                    (queues, message, id) -> queues.get((Integer) id), queueId);
            }
        }
        c.await("160 accepted", Context.SOON_MS, () -> accepted.values().stream().mapToInt(Queue::size).sum() >= 160);
        for (int queueId = 0; queueId < 4; queueId++) {
            Context.same("order of queue " + queueId, Context.numbered(queueId + "-", 40), new ArrayList<>(accepted.get(queueId)));
        }
        Context.check(isSuspended.get(), "the listener has suspended once");
    }

    private static void tagFilter(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        Collector some = new Collector();
        Collector one = new Collector();
        listen(c.pushConsumer(c.named("some")), topic, "a || c", some);
        listen(c.pushConsumer(c.named("one")), topic, "b", one);
        DefaultMQProducer producer = c.producer();
        for (int i = 0; i < 60; i++) {
            String tag = Arrays.asList("a", "b", "c", "d", "").get(i % 5);
            c.send(producer, new Message(topic, tag, Context.bytes(tag + i)));
        }
        c.await("24 and 12 deliveries", () -> some.count() >= 24 && one.count() >= 12);
        Thread.sleep(500);
        Context.same("deliveries of a and c", 24, some.count());
        Context.same("deliveries of b", 12, one.count());
        for (Collector.Arrival arrival : some.arrivals()) {
            Context.check(arrival.body().startsWith("a") || arrival.body().startsWith("c"), arrival.body() + " was asked for");
        }
        for (Collector.Arrival arrival : one.arrivals()) Context.same("tag", "b", arrival.message.getTags());
    }

    private static void sqlFilter(Context c) throws Exception {
        String topic = c.topic("topic", 2);
        List<String> expressions = Arrays.asList("a > 5 AND region IN ('x','y')", "a BETWEEN 2 AND 3 OR region IS NULL",
            "NOT (region = 'x') AND TAGS = 'odd'");
        List<Collector> collectors = new ArrayList<>();
        for (String expression : expressions) {
            Collector collector = new Collector();
            collectors.add(collector);
            DefaultMQPushConsumer consumer = c.pushConsumer(c.named("group" + collectors.size()));
            consumer.subscribe(topic, MessageSelector.bySql(expression));
            consumer.registerMessageListener(collector);
            consumer.start();
        }
        DefaultMQProducer producer = c.producer();
        List<List<String>> expected = Arrays.asList(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
        for (int i = 0; i < 40; i++) {
            int a = i % 10;
            String region = Arrays.asList("x", "y", "z", "").get(i / 10);
            Message message = new Message(topic, i % 2 == 1 ? "odd" : "even", Context.bytes("m" + i));
            message.putUserProperty("a", String.valueOf(a));
            if (!region.isEmpty()) message.putUserProperty("region", region);
            c.send(producer, message);
            if (a > 5 && (region.equals("x") || region.equals("y"))) expected.get(0).add("m" + i);
            if (a == 2 || a == 3 || region.isEmpty()) expected.get(1).add("m" + i);
            if (!region.isEmpty() && !region.equals("x") && i % 2 == 1) expected.get(2).add("m" + i);
        }
        for (int i = 0; i < expected.size(); i++) {
            int at = i;
            c.await("what " + expressions.get(i) + " asks for", () -> collectors.get(at).count() >= expected.get(at).size());
        }
        Thread.sleep(500);
        for (int i = 0; i < expected.size(); i++) Context.sameElements(expressions.get(i), expected.get(i), collectors.get(i).bodies());
        DefaultMQPushConsumer bad = c.pushConsumer(c.named("bad"));
        bad.subscribe(topic, MessageSelector.bySql("a > AND"));
        bad.registerMessageListener(new Collector());
        try {
            bad.start();
            Context.check(false, "an expression with an error is refused");
        } catch (MQClientException refused) {
            c.fact("bad expression: code " + refused.getResponseCode());
        }
    }

    private static void fromFirst(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        List<String> bodies = Context.numbered("m", 100);
        c.sendAll(c.producer(), topic, bodies);
        Collector collector = new Collector();
        listen(c.pushConsumer(c.named("group")), topic, "*", collector);
        c.await("100 deliveries", () -> collector.count() >= 100);
        Context.sameElements("received", bodies, collector.bodies());
    }

    /** Brokers start a new group at the beginning of a topic that is young enough, whatever it asks for; else at the time. */
    private static void fromTimestamp(Context c) throws Exception {
        String topic = c.topic("topic", 2);
        DefaultMQProducer producer = c.producer();
        List<String> early = Context.numbered("early", 10);
        List<String> late = Context.numbered("late", 10);
        c.sendAll(producer, topic, early);
        Thread.sleep(2_100);
        LocalDateTime time = LocalDateTime.now();
        Thread.sleep(1_100);
        c.sendAll(producer, topic, late);
        Collector collector = new Collector();
        DefaultMQPushConsumer consumer = c.pushConsumer(c.named("group"));
        consumer.setConsumeFromWhere(ConsumeFromWhere.CONSUME_FROM_TIMESTAMP);
        consumer.setConsumeTimestamp(time.format(DateTimeFormatter.ofPattern("yyyyMMddHHmmss")));
        listen(consumer, topic, "*", collector);
        c.await("the late ones", () -> collector.bodies().containsAll(late));
        Thread.sleep(500);
        List<String> before = collector.bodies().stream().filter(early::contains).collect(Collectors.toList());
        c.fact(before.size() + " of 10 from before the time");
        if (before.isEmpty()) Context.sameElements("received", late, collector.bodies());
        else Context.sameElements("received", together(early, late), collector.bodies());
    }

    private static List<String> together(List<String> first, List<String> second) {
        List<String> all = new ArrayList<>(first);
        all.addAll(second);
        return all;
    }

    /** A group goes on where it was, with another client and after a pause. */
    private static void resume(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        String group = c.named("group");
        DefaultMQProducer producer = c.producer();
        c.sendAll(producer, topic, Context.numbered("a", 20));
        Collector first = new Collector();
        DefaultMQPushConsumer one = c.pushConsumer(group);
        listen(one, topic, "*", first);
        c.await("20 deliveries", () -> first.count() >= 20);
        Thread.sleep(200);
        one.shutdown();
        c.awaitConsumed(group, topic, 20);
        c.sendAll(producer, topic, Context.numbered("b", 20));
        Collector second = new Collector();
        listen(c.pushConsumer(group), topic, "*", second);
        c.await("20 more", () -> second.count() >= 20);
        Thread.sleep(500);
        Context.sameElements("received after the pause", Context.numbered("b", 20), second.bodies());
    }

    /** A pull that waits is answered when a message comes, not when its time is over. */
    private static void latency(Context c) throws Exception {
        String topic = c.topic("topic", 1);
        Collector collector = new Collector();
        DefaultMQPushConsumer consumer = c.pushConsumer(c.named("group"));
        listen(consumer, topic, "*", collector);
        c.await("the queue", () -> queueCount(consumer, topic) == 1);
        Thread.sleep(1_000);
        DefaultMQProducer producer = c.producer();
        List<Long> tookMs = new ArrayList<>();
        for (int i = 0; i < 10; i++) {
            int count = i + 1;
            long startMs = System.currentTimeMillis();
            c.sendAll(producer, topic, Arrays.asList("m" + i));
            c.await("the next delivery", () -> collector.count() >= count);
            tookMs.add(collector.arrivals().get(i).atMs - startMs);
            Thread.sleep(100);
        }
        List<Long> sorted = tookMs.stream().sorted().collect(Collectors.toList());
        c.fact("ms " + sorted);
        Context.between("median ms from send to delivery", 0, 1_000, sorted.get(5));
    }
}
