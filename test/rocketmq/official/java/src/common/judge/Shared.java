package judge;

import java.util.ArrayList;
import java.util.List;
import org.apache.rocketmq.client.consumer.DefaultMQPullConsumer;
import org.apache.rocketmq.client.consumer.PullResult;
import org.apache.rocketmq.client.consumer.PullStatus;
import org.apache.rocketmq.client.exception.MQBrokerException;
import org.apache.rocketmq.client.exception.MQClientException;
import org.apache.rocketmq.common.TopicConfig;
import org.apache.rocketmq.common.message.MessageExt;
import org.apache.rocketmq.common.message.MessageQueue;
import org.apache.rocketmq.tools.admin.DefaultMQAdminExt;

/** What all scenarios use: the admin client, and a reader that sees what is stored without leaving a trace. */
final class Shared implements AutoCloseable {
    private static final int ADMIN_TIMEOUT_MS = 10_000;
    private static final int READ_BATCH = 32;

    final Settings settings;
    final DefaultMQAdminExt admin;
    private final DefaultMQPullConsumer reader;

    Shared(Settings settings) throws Exception {
        this.settings = settings;
        admin = new DefaultMQAdminExt(settings.hook(), ADMIN_TIMEOUT_MS);
        admin.setAdminExtGroup(settings.prefix + "-admin");
        admin.setInstanceName(settings.prefix + "-admin");
        admin.setNamesrvAddr(settings.nameServer);
        admin.start();
        reader = new DefaultMQPullConsumer(settings.prefix + "-reader", settings.hook());
        reader.setInstanceName(settings.prefix + "-reader");
        reader.setNamesrvAddr(settings.nameServer);
        reader.start();
    }

    /** Address of the only broker. */
    String brokerAddress() throws Exception {
        return admin.examineBrokerClusterInfo().getBrokerAddrTable().values().iterator().next().selectBrokerAddr();
    }

    String brokerName() throws Exception {
        return admin.examineBrokerClusterInfo().getBrokerAddrTable().keySet().iterator().next();
    }

    String clusterName() throws Exception {
        return admin.examineBrokerClusterInfo().getClusterAddrTable().keySet().iterator().next();
    }

    void createTopic(String topic, int queueCount) throws Exception {
        admin.createAndUpdateTopicConfig(brokerAddress(), new TopicConfig(topic, queueCount, queueCount, 6));
        for (int tries = 0; !hasRoute(topic); tries++) {
            if (tries == 100) throw new AssertionError("topic " + topic + " was created, but has no route 5 s later");
            Thread.sleep(50);
        }
    }

    boolean hasRoute(String topic) throws Exception {
        try {
            return !admin.examineTopicRouteInfo(topic).getQueueDatas().isEmpty();
        } catch (MQClientException none) {
            return false;
        }
    }

    /** Messages that are readable in the queues of a topic now, in queue order; a delayed one counts once it is delivered. */
    long storedCount(String topic) throws Exception {
        long count = 0;
        for (MessageQueue queue : reader.fetchSubscribeMessageQueues(topic)) {
            count += reader.maxOffset(queue) - reader.minOffset(queue);
        }
        return count;
    }

    List<MessageExt> readAll(String topic) throws Exception {
        List<MessageExt> found = new ArrayList<>();
        for (MessageQueue queue : new ArrayList<>(reader.fetchSubscribeMessageQueues(topic))) readQueue(queue, found);
        return found;
    }

    private void readQueue(MessageQueue queue, List<MessageExt> found)
        throws MQClientException, MQBrokerException, InterruptedException, org.apache.rocketmq.remoting.exception.RemotingException {
        long offset = reader.minOffset(queue);
        while (offset < reader.maxOffset(queue)) {
            PullResult result = reader.pull(queue, "*", offset, READ_BATCH);
            if (result.getPullStatus() != PullStatus.FOUND) {
                throw new AssertionError(queue + " at " + offset + " of " + reader.maxOffset(queue) + ": " + result.getPullStatus());
            }
            found.addAll(result.getMsgFoundList());
            offset = result.getNextBeginOffset();
        }
    }

    @Override
    public void close() {
        reader.shutdown();
        admin.shutdown();
    }
}
