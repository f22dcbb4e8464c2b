package judge;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.consumer.listener.ConsumeConcurrentlyStatus;
import org.apache.rocketmq.client.consumer.listener.MessageListenerConcurrently;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.common.message.MessageRequestMode;

/** Push consumers whose queues the broker hands out, with receipt handles instead of offsets. */
final class Pops {
    private static final int SHARE_QUEUE_COUNT = 8;
    /** Least that the client takes. */
    private static final long INVISIBLE_MS = 5_000;

    private Pops() {
    }

    static void addTo(Map<String, Scenario> scenarios) {
        scenarios.put("pop-redelivery", Pops::redelivery);
        scenarios.put("pop-abandoned", Pops::abandoned);
        scenarios.put("pop-consume", Pops::consume);
        scenarios.put("pull-assigned-by-broker", Pops::pullAssignedByBroker);
    }

    private static void setMode(Context c, String topic, String group, MessageRequestMode mode) throws Exception {
        c.shared.admin.setMessageRequestMode(c.shared.brokerAddress(), topic, group, mode, SHARE_QUEUE_COUNT, 3_000);
    }

    private static DefaultMQPushConsumer consumer(Context c, String group) {
        DefaultMQPushConsumer consumer = c.pushConsumer(group);
        consumer.setClientRebalance(false);
        consumer.setPopInvisibleTime(60_000);
        return consumer;
    }

    private static int popQueueCount(DefaultMQPushConsumer consumer) {
        return consumer.getDefaultMQPushConsumerImpl().getRebalanceImpl().getPopProcessQueueTable().size();
    }

    /** Two consumers take what one producer sends, none twice; a consumer that comes later finds all of it acknowledged. */
    private static void consume(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        String group = c.named("group");
        setMode(c, topic, group, MessageRequestMode.POP);
        Collector first = new Collector();
        Collector second = new Collector();
        DefaultMQPushConsumer one = consumer(c, group);
        DefaultMQPushConsumer two = consumer(c, group);
        Pushes.listen(one, topic, "*", first);
        Pushes.listen(two, topic, "*", second);
        c.await("both consumers to pop", () -> popQueueCount(one) > 0 && popQueueCount(two) > 0);
        List<String> bodies = Context.numbered("m", 200);
        c.sendAll(c.producer(), topic, bodies);
        c.await("200 deliveries", () -> first.count() + second.count() >= bodies.size());
        Thread.sleep(1_000);
        List<String> received = new ArrayList<>(first.bodies());
        received.addAll(second.bodies());
        Context.sameElements("received", bodies, received);
        for (Collector.Arrival arrival : first.arrivals()) Context.same("reconsume times", 0, arrival.reconsumeTimes);
        c.fact("shares " + first.count() + " + " + second.count());
        one.shutdown();
        two.shutdown();
        Collector late = new Collector();
        Pushes.listen(consumer(c, group), topic, "*", late);
        c.sendAll(c.producer(), topic, Arrays.asList("last"));
        c.await("a message for the third consumer", () -> late.count() > 0);
        Thread.sleep(500);
        Context.sameElements("what the third consumer gets", Arrays.asList("last"), late.bodies());
    }

    /** A consumer that says later gets the message again, after the first of the client's waits, 10 s. */
    private static void redelivery(Context c) throws Exception {
        String topic = c.topic("topic", 2);
        String group = c.named("group");
        setMode(c, topic, group, MessageRequestMode.POP);
        Collector collector = new Collector();
        DefaultMQPushConsumer consumer = consumer(c, group);
        MessageListenerConcurrently listener = (messages, context) -> {
            collector.add(messages);
            boolean isFailure = Context.body(messages.get(0)).equals("m3") && messages.get(0).getReconsumeTimes() == 0;
            return isFailure ? ConsumeConcurrentlyStatus.RECONSUME_LATER : ConsumeConcurrentlyStatus.CONSUME_SUCCESS;
        };
        Pushes.listen(consumer, topic, "*", listener);
        c.await("the consumer to pop", () -> popQueueCount(consumer) > 0);
        List<String> bodies = Context.numbered("m", 10);
        c.sendAll(c.producer(), topic, bodies);
        c.await("the redelivery", 24_000, () -> collector.of("m3").size() >= 2);
        Thread.sleep(2_000);
        for (String body : bodies) Context.same("deliveries of " + body, body.equals("m3") ? 2 : 1, collector.of(body).size());
        Collector.Arrival again = collector.of("m3").get(1);
        Collector.Arrival before = collector.of("m3").get(0);
        c.fact("again after " + (again.atMs - before.atMs) + " ms");
        Context.same("reconsume times", 1, again.reconsumeTimes);
        Context.same("message id", before.message.getMsgId(), again.message.getMsgId());
        Context.same("topic", topic, again.message.getTopic());
        Context.between("again after ms", 9_000, 24_000, again.atMs - before.atMs);
    }

    /** A consumer that goes away in the middle of its work leaves the message to others once the invisible time is over. */
    private static void abandoned(Context c) throws Exception {
        String topic = c.topic("topic", 1);
        String group = c.named("group");
        setMode(c, topic, group, MessageRequestMode.POP);
        DefaultMQProducer producer = c.producer();
        AtomicBoolean isTaken = new AtomicBoolean();
        DefaultMQPushConsumer dying = consumer(c, group);
        dying.setPopInvisibleTime(INVISIBLE_MS);
        MessageListenerConcurrently hanging = (messages, context) -> {
            isTaken.set(true);
            try {
                Thread.sleep(60_000);
            } catch (InterruptedException ended) {
                Thread.currentThread().interrupt();
            }
            return null;
        };
        Pushes.listen(dying, topic, "*", hanging);
        c.await("the consumer to pop", () -> popQueueCount(dying) > 0);
        c.sendAll(producer, topic, Arrays.asList("only"));
        c.await("the first delivery", isTaken::get);
        long takenMs = System.currentTimeMillis();
        dying.shutdown();
        Collector heir = new Collector();
        Pushes.listen(consumer(c, group), topic, "*", heir);
        c.await("the second delivery", 22_000, () -> heir.count() > 0);
        c.fact("again after " + (heir.arrivals().get(0).atMs - takenMs) + " ms");
        Context.same("reconsume times", 1, heir.arrivals().get(0).reconsumeTimes);
        Context.between("again after ms", INVISIBLE_MS - 1_500, 22_000, heir.arrivals().get(0).atMs - takenMs);
    }

    /** Without a mode set, a broker hands out queues to pull from; a new consumer of the group takes its share. */
    private static void pullAssignedByBroker(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        String group = c.named("group");
        setMode(c, topic, group, MessageRequestMode.PULL);
        Collector first = new Collector();
        Collector second = new Collector();
        DefaultMQPushConsumer one = consumer(c, group);
        DefaultMQPushConsumer two = consumer(c, group);
        Pushes.listen(one, topic, "*", first);
        Pushes.listen(two, topic, "*", second);
        c.await("2 queues each", () -> Pushes.queueCount(one, topic) == 2 && Pushes.queueCount(two, topic) == 2);
        List<String> bodies = Context.numbered("m", 40);
        c.sendAll(c.producer(), topic, bodies);
        c.await("40 deliveries", () -> first.count() + second.count() >= bodies.size());
        List<String> received = new ArrayList<>(first.bodies());
        received.addAll(second.bodies());
        Context.sameElements("received", bodies, received);
        Context.same("share of the first", 20, first.count());
    }
}
