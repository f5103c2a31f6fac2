import CLinux
package import HostResources
package import SystemPackage

/// One direction of a terminal, pipe, file or socket, read or written without ever waiting.
///
/// `O_NONBLOCK` belongs to the open file, which other processes share with us when it is inherited, the shell among
/// them; so it is never set on those. A terminal or pipe is opened anew instead, through /proc, where that is allowed.
/// Where it is not, each call asks poll(2) first and moves no more than poll promises room for.
package struct HostStream: ~Copyable {
    package enum Kind: Equatable {
        /// Opened with `O_NONBLOCK`, or a regular file or device that never waits.
        case immediate
        case socket
        /// May wait, but not for `promise` bytes once it is ready.
        case polled(promise: Int)
    }

    package enum Outcome: Equatable {
        case moved(Int)
        case wouldWait
        case failed(Errno)
    }

    enum Direction { case input, output }

    /// Bytes that a pipe ready for writing takes without waiting: `PIPE_BUF`.
    private static let pipeBuffer = 4096

    let descriptor: OwnedFileDescriptor
    let kind: Kind

    package init(_ descriptor: consuming OwnedFileDescriptor, _ kind: Kind) {
        self.descriptor = descriptor
        self.kind = kind
    }

    /// A second descriptor of the same open file.
    init(duplicating raw: Int32, _ kind: Kind) throws(HostError) {
        descriptor = try OwnedFileDescriptor(duplicating: raw)
        self.kind = kind
    }

    /// A stream over a descriptor that was inherited and is shared with other processes, whose flags stay as they are.
    init(inherited raw: Int32, _ direction: Direction) throws(HostError) {
        let type: FileType
        do { type = try FileDescriptor(rawValue: raw).stat().type } catch {
            throw HostError("use", "descriptor \(raw)", error)
        }
        let isTerminal = isatty(raw) == 1
        switch type {
        case .socket: try self.init(duplicating: raw, .socket)
        case .fifo: try self.init(reopening: raw, direction, promise: Self.pipeBuffer)
        case .characterSpecial where isTerminal: try self.init(reopening: raw, direction, promise: 1)
        default: try self.init(duplicating: raw, .immediate)
        }
    }

    private init(reopening raw: Int32, _ direction: Direction, promise: Int) throws(HostError) {
        let opened = try? OwnedFileDescriptor(
            opening: "/proc/self/fd/\(raw)", direction == .input ? .readOnly : .writeOnly, options: .nonBlocking)
        if let opened {
            self.init(opened, .immediate)
        } else {
            try self.init(duplicating: raw, .polled(promise: promise))
        }
    }

    /// Reads at most `count` bytes into `buffer`; 0 bytes mean the end.
    package func read(into buffer: inout MutableSpan<UInt8>, atMost count: Int) -> Outcome {
        precondition(count <= buffer.count)
        if case .polled = kind, !isReady(Int16(POLLIN)) { return .wouldWait }
        let kind = kind
        let raw = descriptor.rawValue
        return outcome {
            unsafe buffer.withUnsafeMutableBytes { bytes in
                // SAFETY: the buffer has room for `count` bytes.
                unsafe kind == .socket
                    ? caisson_receive(raw, bytes.baseAddress, count)
                    : caisson_read(raw, bytes.baseAddress, count)
            }
        }
    }

    /// Writes what there is room for from the front of `bytes`.
    package func write(_ bytes: Span<UInt8>) -> Outcome {
        var count = bytes.count
        if case .polled(let promise) = kind {
            guard isReady(Int16(POLLOUT)) else { return .wouldWait }
            count = min(count, promise)
        }
        let raw = descriptor.rawValue
        return outcome {
            unsafe bytes.withUnsafeBytes { bytes in
                // SAFETY: the span holds at least `count` bytes.
                unsafe kind == .socket
                    ? caisson_send(raw, bytes.baseAddress, count)
                    : caisson_write(raw, bytes.baseAddress, count)
            }
        }
    }

    private func isReady(_ events: Int16) -> Bool { caisson_poll(descriptor.rawValue, events, 0) > 0 }

    private func outcome(_ call: () -> Int64) -> Outcome {
        while true {
            let result = call()
            if result >= 0 { return .moved(Int(result)) }
            switch Errno(rawValue: Int32(-result)) {
            case .interrupted: continue
            case .resourceTemporarilyUnavailable: return .wouldWait
            case let errno: return .failed(errno)
            }
        }
    }
}
