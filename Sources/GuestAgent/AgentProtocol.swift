/// The guest agent's protocol, version 1: docs/agent.md.
package enum AgentProtocol {
    package static let version: UInt16 = 1
    /// Where each side listens for the other.
    package static let port: UInt32 = 1024
    /// Begins a greeting.
    static let magic = Array("CSAG".utf8)
    static let headerSize = 4
    /// Bytes of the longest payload that the agent takes.
    package static let requestLimit = 1 << 20
    /// Bytes of the longest payload that the host takes.
    package static let replyLimit = 64 << 10
    /// Bytes of standard input that the agent takes before it grants more.
    package static let inputWindow = 64 << 10
    /// Bytes of each output that the host takes before it grants more.
    package static let outputWindow = 256 << 10
    /// Bytes of standard input in one frame.
    static let inputChunk = 16 << 10
    /// Bytes of an error's text that are shown.
    static let textLimit = 1024
}

/// What a frame is.
enum FrameType: UInt8 {
    case hello = 1
    case setup, ready, run, started, data, window, close, resize, signal, exit, error, copy
}

/// A command's stream, by the number that it has as a descriptor.
package enum CommandStream: UInt8, Sendable, CaseIterable {
    case input, output, errors
}

/// What a guest sent that no agent sends: it is trusted with nothing.
package enum AgentProtocolError: Error, Equatable, Sendable {
    case noAgent
    case otherVersion(UInt16)
    case unknownFrame(UInt8)
    case frameTooLong(Int)
    case malformed(UInt8)
    /// A frame that has no place there.
    case unexpected(UInt8)
    /// More than the host had granted, or credit for what it did not send.
    case windowExceeded
}

extension AgentProtocolError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .noAgent: "what answers in the guest is not Caisson's agent"
        case .otherVersion(let version):
            "the guest's agent speaks version \(version) of the protocol, and this program version "
                + "\(AgentProtocol.version): build the guest anew by guest-images/build"
        case .unknownFrame(let type): "the guest's agent sent a frame of the unknown type \(type)"
        case .frameTooLong(let size): "the guest's agent sent a frame of \(size) bytes"
        case .malformed(let type): "the guest's agent sent a frame of type \(type) that is not whole"
        case .unexpected(let type): "the guest's agent sent a frame of type \(type) out of turn"
        case .windowExceeded: "the guest's agent sent more than it may"
        }
    }
}
