/** What a newcomer can type next, as text for a terminal. @param grpc URL of the gRPC port. @param nameServer `host:port`. */
export function firstSteps(grpc: string, nameServer: string): string {
  const url = `${grpc}/rocketmq.RocketMQProxy`;
  const json = `-H 'content-type: application/json'`;
  return `
A RocketMQ for development runs at ${nameServer}, with the proxy in front of it at ${grpc}.
Beside it, in another terminal, send and receive a first message

  from Node:
    node examples/send-and-receive.mjs ${grpc.replace('http://', '')}

  with curl:
    consumer=$(curl -s ${json} -d '{"topic":"orders","groupId":"shop"}' ${url}/CreateConsumer | sed 's/.*"consumerId":"\\([^"]*\\)".*/\\1/')
    producer=$(curl -s ${json} -d '{"topic":"orders"}' ${url}/CreateProducer | sed 's/.*"producerId":"\\([^"]*\\)".*/\\1/')
    curl -s ${json} -d '{"producerId":"'$producer'","messageBody":"order 4711"}' ${url}/SendMessage
    ask='{"consumerId":"'$consumer'"}'
    printf "\\\\0\\\\0\\\\0\\\\$(printf %03o $((\${#ask}/256)))\\\\$(printf %03o $((\${#ask}%256)))%s" "$ask" |
      curl -sN -H 'content-type: application/connect+json' --data-binary @- ${url}/ReceiveMessages

  from Java, with org.apache.rocketmq:rocketmq-client and no proxy:
    DefaultMQProducer producer = new DefaultMQProducer("shop-producer");
    producer.setNamesrvAddr("${nameServer}");
    producer.start();
    producer.send(new Message("orders", "order 4712".getBytes()));

`;
}
