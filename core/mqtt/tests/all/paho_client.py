"""Speaks to the listener as paho-mqtt does, in one protocol version; exits with 0 if everything came back."""

import sys
import threading

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

version, port = sys.argv[1], int(sys.argv[2])
protocol = {"31": mqtt.MQTTv31, "311": mqtt.MQTTv311, "5": mqtt.MQTTv5}[version]
subscribed = threading.Event()
received = threading.Event()

client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="paho" + version, protocol=protocol)
client.will_set("gone", "bye", qos=1)
client.username_pw_set("user", "secret")


def on_connect(client, userdata, flags, reason, properties):
    assert not reason.is_failure, reason
    client.subscribe([("receipt/paho", 1), ("other", 0)])


def on_message(client, userdata, message):
    assert message.payload == b"42", message.payload
    received.set()


client.on_connect = on_connect
client.on_message = on_message
client.on_subscribe = lambda *_: subscribed.set()
client.connect("127.0.0.1", port, keepalive=10)
client.loop_start()
assert subscribed.wait(20), "no SUBACK"
for n in range(30):
    properties = None
    topic = "devices/icu/a/state"
    if version == "5":
        properties = Properties(PacketTypes.PUBLISH)
        properties.TopicAlias = 3
        properties.UserProperty = ("n", str(n))
        topic = topic if n == 0 else ""
    info = client.publish(topic, str(n), qos=n % 3, properties=properties)
    info.wait_for_publish(20)
    assert info.is_published(), n
assert received.wait(20), "no message"
client.disconnect()
client.loop_stop()
