//! Packets as bytes, written by hand so that no code is shared with the listener.
//!
//! What both sides got wrong in the same way would otherwise pass. Names follow the standard; MQTT 5 packets carry an empty
//! block of properties unless a test writes one.

pub use wardline_mqtt::Protocol;

/// Puts a fixed header in front of a body.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut left = body.len();
    loop {
        let byte = u8::try_from(left & 0x7f).unwrap();
        left >>= 7;
        out.push(if left > 0 { byte | 0x80 } else { byte });
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
    out
}

pub fn text(value: &str) -> Vec<u8> {
    let mut out = u16::try_from(value.len()).unwrap().to_be_bytes().to_vec();
    out.extend_from_slice(value.as_bytes());
    out
}

/// A CONNECT to be changed where the test needs it.
#[derive(Clone)]
pub struct Connect {
    pub protocol: Protocol,
    pub id: String,
    pub clean: bool,
    pub keep_alive_s: u16,
    pub will: Option<(String, String, u8)>,
    pub username: Option<String>,
    pub password: Option<String>,
}

pub fn connect(protocol: Protocol, id: &str) -> Connect {
    Connect {
        protocol,
        id: id.to_owned(),
        clean: true,
        keep_alive_s: 60,
        will: None,
        username: None,
        password: None,
    }
}

impl Connect {
    pub fn resume(mut self) -> Self {
        self.clean = false;
        self
    }

    pub fn will(mut self, topic: &str, payload: &str, qos: u8) -> Self {
        self.will = Some((topic.to_owned(), payload.to_owned(), qos));
        self
    }

    pub fn keep_alive(mut self, seconds: u16) -> Self {
        self.keep_alive_s = seconds;
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let v5 = self.protocol == Protocol::V5;
        let (name, level) = match self.protocol {
            Protocol::V31 => ("MQIsdp", 3),
            Protocol::V311 => ("MQTT", 4),
            Protocol::V5 => ("MQTT", 5),
        };
        let mut flags = u8::from(self.clean) << 1;
        if let Some((_, _, qos)) = &self.will {
            flags |= 0x04 | (qos << 3);
        }
        flags |= u8::from(self.username.is_some()) << 7 | u8::from(self.password.is_some()) << 6;
        let mut body = text(name);
        body.extend_from_slice(&[level, flags]);
        body.extend_from_slice(&self.keep_alive_s.to_be_bytes());
        if v5 {
            body.push(0);
        }
        body.extend(text(&self.id));
        if let Some((topic, payload, _)) = &self.will {
            if v5 {
                body.push(0);
            }
            body.extend(text(topic));
            body.extend(text(payload));
        }
        for field in [&self.username, &self.password].into_iter().flatten() {
            body.extend(text(field));
        }
        packet(0x10, &body)
    }
}

/// A PUBLISH without properties. `packet_id` is left out for QoS 0.
pub fn publish(protocol: Protocol, qos: u8, packet_id: u16, topic: &str, payload: &str) -> Vec<u8> {
    let mut body = text(topic);
    if qos > 0 {
        body.extend_from_slice(&packet_id.to_be_bytes());
    }
    if protocol == Protocol::V5 {
        body.push(0);
    }
    body.extend_from_slice(payload.as_bytes());
    packet(0x30 | (qos << 1), &body)
}

/// A PUBLISH of MQTT 5 with a topic alias.
pub fn publish_alias(packet_id: u16, topic: &str, alias: u16, payload: &str) -> Vec<u8> {
    let mut body = text(topic);
    body.extend_from_slice(&packet_id.to_be_bytes());
    body.extend_from_slice(&[3, 0x23]);
    body.extend_from_slice(&alias.to_be_bytes());
    body.extend_from_slice(payload.as_bytes());
    packet(0x32, &body)
}

pub fn pubrel(packet_id: u16) -> Vec<u8> {
    packet(0x62, &packet_id.to_be_bytes())
}

pub fn puback(packet_id: u16) -> Vec<u8> {
    packet(0x40, &packet_id.to_be_bytes())
}

pub fn pubrec(packet_id: u16) -> Vec<u8> {
    packet(0x50, &packet_id.to_be_bytes())
}

pub fn pubcomp(packet_id: u16) -> Vec<u8> {
    packet(0x70, &packet_id.to_be_bytes())
}

pub fn subscribe(protocol: Protocol, packet_id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    if protocol == Protocol::V5 {
        body.push(0);
    }
    for filter in filters {
        body.extend(text(filter));
        body.push(1);
    }
    packet(0x82, &body)
}

pub fn unsubscribe(protocol: Protocol, packet_id: u16, filters: &[&str]) -> Vec<u8> {
    let mut body = packet_id.to_be_bytes().to_vec();
    if protocol == Protocol::V5 {
        body.push(0);
    }
    for filter in filters {
        body.extend(text(filter));
    }
    packet(0xa2, &body)
}

pub const PINGREQ: [u8; 2] = [0xc0, 0];
pub const PINGRESP: [u8; 2] = [0xd0, 0];
pub const DISCONNECT: [u8; 2] = [0xe0, 0];

/// The DISCONNECT that a listener sends to MQTT 5.
pub fn goodbye(code: u8) -> Vec<u8> {
    vec![0xe0, 1, code]
}
