package judge;

import java.util.Collections;
import java.util.Map;
import org.apache.rocketmq.client.consumer.DefaultMQPushConsumer;
import org.apache.rocketmq.common.protocol.heartbeat.MessageModel;

/** What 4.9 has in other packages than 5.x; it has no scenarios of its own. */
final class Moved {
    private Moved() {
    }

    static void broadcast(DefaultMQPushConsumer consumer) {
        consumer.setMessageModel(MessageModel.BROADCASTING);
    }

    static void popping(DefaultMQPushConsumer consumer) {
        throw new UnsupportedOperationException("4.9 has no POP");
    }

    /** 4.9 takes the topic before the cluster. */
    static void deleteTopicInNameServer(Context c, String topic) throws Exception {
        c.shared.admin.deleteTopicInNameServer(Collections.singleton(c.settings.nameServer), topic, c.shared.clusterName());
    }

    static void addTo(Map<String, Scenario> scenarios) {
    }
}
