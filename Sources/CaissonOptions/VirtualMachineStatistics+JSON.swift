package import Caisson

extension VirtualMachineStatistics {
    /// For programs, with all numbers counted from the machine's start. Times are nanoseconds, sizes bytes. Keys may be added.
    package var json: JSONValue {
        .object([
            ("uptime", .nanoseconds(uptime)),
            ("processCPUTime", .nanoseconds(processCPUTime)),
            ("processors", .array(processors.map(\.json))),
            ("devices", .array(devices.map(\.json))),
            ("memory", memory?.json ?? .null),
        ])
    }
}

extension VirtualMachineStatistics.Processor {
    fileprivate var json: JSONValue {
        .object([
            ("cpuTime", .nanoseconds(cpuTime)),
            ("portAccesses", .integer(portAccesses)),
            ("memoryAccesses", .integer(memoryAccesses)),
            ("interruptions", .integer(interruptions)),
            ("repairs", .integer(repairs)),
            ("kernel", kernel?.json ?? .null),
        ])
    }
}

extension VirtualMachineStatistics.Kernel {
    fileprivate var json: JSONValue {
        .object([
            ("exits", .integer(exits)),
            ("halts", .integer(halts)),
            ("wakeUps", .integer(wakeUps)),
            ("interrupts", .integer(interrupts)),
            ("emulations", .integer(emulations)),
        ])
    }
}

extension VirtualMachineStatistics.Device {
    fileprivate var json: JSONValue {
        .object([("name", .string(name)), ("queues", .array(queues.map(\.json)))])
    }
}

extension VirtualMachineStatistics.Queue {
    fileprivate var json: JSONValue {
        .object([
            ("notifications", .integer(notifications)),
            ("requests", .integer(requests)),
            ("bytes", .integer(bytes)),
            ("interrupts", .integer(interrupts)),
        ])
    }
}

extension VirtualMachineStatistics.Memory {
    fileprivate var json: JSONValue {
        .object([
            ("size", .integer(size)),
            ("resident", .integer(resident)),
            ("proportional", .integer(proportional)),
            ("proportionalBeside", .integer(proportionalBeside)),
        ])
    }
}

extension JSONValue {
    static func nanoseconds(_ duration: Duration) -> JSONValue {
        let (seconds, attoseconds) = duration.components
        return .integer(UInt64(clamping: seconds) &* 1_000_000_000 &+ UInt64(clamping: attoseconds / 1_000_000_000))
    }
}
