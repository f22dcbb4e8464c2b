package judge;

import java.util.Arrays;
import java.util.Collections;
import java.util.Map;
import java.util.Set;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.client.producer.DefaultMQProducer;
import org.apache.rocketmq.client.producer.SendResult;
import org.apache.rocketmq.common.message.Message;
import org.apache.rocketmq.common.message.MessageQueue;

/** What tools ask of a broker that serves live consumers. */
final class Admins {
    /** A client writes its offsets 10 s after its start for the first time. */
    private static final int FIRST_PERSIST_MS = 14_000;

    private Admins() {
    }

    static void addTo(Map<String, Scenario> scenarios) {
        scenarios.put("admin-consumer", Admins::consumer);
        scenarios.put("admin-reset-offset", Admins::resetOffset);
        scenarios.put("admin-delete-topic", Admins::deleteTopic);
    }

    private static void consumer(Context c) throws Exception {
        String topic = c.topic("topic", 4);
        String group = c.named("group");
        Collector collector = new Collector();
        DefaultMQPushConsumer consumer = c.pushConsumer(group);
        Pushes.listen(consumer, topic, "tag", collector);
        DefaultMQProducer producer = c.producer();
        SendResult sent = null;
        for (int i = 0; i < 8; i++) sent = c.send(producer, new Message(topic, "tag", "key" + i, Context.bytes("m" + i)));
        c.await("8 deliveries", () -> collector.count() >= 8);
        var connection = c.shared.admin.examineConsumerConnectionInfo(group);
        Context.same("connections", 1, connection.getConnectionSet().size());
        String clientId = connection.getConnectionSet().iterator().next().getClientId();
        Context.check(clientId.contains(consumer.getInstanceName()), clientId + " names the instance");
        Context.same("subscription", "tag", connection.getSubscriptionTable().get(topic).getSubString());
        Context.same("consume type", "CONSUME_PASSIVELY", connection.getConsumeType().name());
        Context.same("message model", "CLUSTERING", connection.getMessageModel().name());
        c.await("the producer among the connections", () -> {
            try {
                return c.shared.admin.examineProducerConnectionInfo(producer.getProducerGroup(), topic).getConnectionSet().size() == 1;
            } catch (MQBrokerException notYet) {
                // It says hello with its next heartbeat, up to a second after its first message.
                return false;
            }
        });
        var running = c.shared.admin.getConsumerRunningInfo(group, clientId, false);
        Context.check(running.getMqTable().size() >= 4, "the running consumer shows its queues");
        var directly = c.shared.admin.consumeMessageDirectly(group, clientId, topic, sent.getMsgId());
        Context.same("consumed directly", "CR_SUCCESS", directly.getConsumeResult().name());
        Context.same("deliveries then", 9, collector.count());
        c.await("a lag of 0", FIRST_PERSIST_MS, () -> c.shared.admin.examineConsumeStats(group, topic).computeTotalDiff() == 0);
        var stats = c.shared.admin.examineConsumeStats(group, topic).getOffsetTable();
        Context.same("consumer offsets in all", 8L, stats.values().stream().mapToLong(at -> at.getConsumerOffset()).sum());
        Context.check(c.shared.admin.queryTopicConsumeByWho(topic).getGroupList().contains(group), "the topic knows its group");
    }

    /** A live consumer goes back to the beginning when a tool says so. */
    private static void resetOffset(Context c) throws Exception {
        String topic = c.topic("topic", 2);
        String group = c.named("group");
        Collector collector = new Collector();
        Pushes.listen(c.pushConsumer(group), topic, "*", collector);
        DefaultMQProducer producer = c.producer();
        c.sendAll(producer, topic, Context.numbered("m", 20));
        c.await("20 deliveries", () -> collector.count() >= 20);
        Map<MessageQueue, Long> offsets =
            c.shared.admin.resetOffsetByTimestamp(topic, group, System.currentTimeMillis() - 600_000, true);
        Context.same("queues reset", 2, offsets.size());
        for (Long offset : offsets.values()) Context.same("reset to", 0L, offset);
        // A client waits 10 s before it takes the new offsets, and a 4.9 looks for its queues only every 15 s (official.ts).
        // A broker that keeps the new offsets tells a client in its next answer, which these bring at once.
        c.sendAll(producer, topic, Arrays.asList("wake0", "wake1"));
        c.await("each message again", 28_000,
            () -> Context.numbered("m", 20).stream().allMatch(body -> collector.of(body).size() >= 2));
    }

    private static void deleteTopic(Context c) throws Exception {
        String topic = c.topic("topic", 2);
        c.sendAll(c.producer(), topic, Context.numbered("m", 4));
        // A Java broker indexes what it has stored a little later; what it indexes behind the end of a topic is there when that is made again.
        Context.same("messages stored", 4, c.readStored(topic, 4).size());
        String address = c.shared.brokerAddress();
        Set<String> brokers = Collections.singleton(address);
        c.shared.admin.deleteTopicInBroker(brokers, topic);
        Moved.deleteTopicInNameServer(c, topic);
        c.await("the end of the route", () -> !c.shared.hasRoute(topic));
        c.shared.createTopic(topic, 2);
        Context.same("messages of the new topic", 0L, c.shared.storedCount(topic));
        try {
            c.shared.admin.examineTopicStats(c.named("nobody"));
            Context.check(false, "an unknown topic is an error");
        } catch (MQClientException unknown) {
            c.fact("unknown topic: code " + unknown.getResponseCode());
        }
    }
}
