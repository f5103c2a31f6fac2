/// Features of console devices (virtio 1.2, section 5.3.3).
extension VirtioFeatures {
    static let consoleSize = VirtioFeatures(rawValue: 1 << 0)
    static let consoleMultiport = VirtioFeatures(rawValue: 1 << 1)
    static let consoleEmergencyWrite = VirtioFeatures(rawValue: 1 << 2)
}

/// Fields of `struct virtio_console_config` (5.3.4): their offsets.
enum ConsoleField {
    /// 16 bits each.
    static let columns = 0
    static let rows = 2
    /// 32 bits each.
    static let portCount = 4
    static let emergencyWrite = 8
    static let end = 12
}

/// What a queue of a console device is for (5.3.2).
enum ConsoleQueueRole: Equatable {
    case receive(port: Int), transmit(port: Int)
    case controlReceive, controlTransmit

    init(queue index: Int) {
        let pair = index / 2
        switch (index % 2 == 0, pair) {
        case (true, 1): self = .controlReceive
        case (false, 1): self = .controlTransmit
        case (true, _): self = .receive(port: pair == 0 ? 0 : pair - 1)
        case (false, _): self = .transmit(port: pair == 0 ? 0 : pair - 1)
        }
    }

    /// The number of a port's receive queue; its transmit queue comes next.
    static func receiveQueue(ofPort port: Int) -> Int { port == 0 ? 0 : 2 * port + 2 }
}

/// What is said of ports in the control queues (5.3.6.2).
enum ConsoleEvent: UInt16 {
    case deviceReady = 0
    case portAdd = 1
    case portRemove = 2
    case portReady = 3
    case consolePort = 4
    case resize = 5
    case portOpen = 6
    case portName = 7
}
