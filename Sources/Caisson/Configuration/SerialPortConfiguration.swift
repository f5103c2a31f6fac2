package import HostIO
public import SystemPackage

/// Where a serial port's line ends on the host.
///
/// Conforming types are this library's own.
public protocol SerialPortAttachment: Sendable {}

/// A serial port of a virtual machine: the first is COM1, `ttyS0` to Linux.
public struct SerialPortConfiguration: Sendable {
    /// Where the port's line ends.
    public var attachment: any SerialPortAttachment

    /// A port whose line ends at `attachment`.
    public init(attachment: any SerialPortAttachment) { self.attachment = attachment }
}

/// What a console is opened from.
struct ConsoleSource: Equatable, Sendable {
    var specification: ConsoleSpecification
    var input: Int32 = 0
    var output: Int32 = 1
}

extension SerialPortAttachment {
    /// What the console is opened from; nil for an attachment that is none of Caisson's.
    var source: ConsoleSource? {
        // Types by name: to ask for a protocol, the runtime looks through all conformances of the program.
        switch self {
        case let streams as FileHandleSerialPortAttachment: streams.ownSource
        case let file as FileSerialPortAttachment: file.ownSource
        case let terminal as PseudoterminalSerialPortAttachment: terminal.ownSource
        case let socket as UnixSocketSerialPortAttachment: socket.ownSource
        case let specified as SpecifiedSerialPortAttachment: specified.ownSource
        default: nil
        }
    }
}

/// Two open descriptors: pipes, sockets, files or a terminal, which is put into raw mode and has Ctrl-A as its command key.
public struct FileHandleSerialPortAttachment: SerialPortAttachment {
    /// What the guest reads comes from here; open while the machine runs.
    public var reading: FileDescriptor
    /// What the guest writes goes here; open while the machine runs.
    public var writing: FileDescriptor

    /// A line that ends at two open descriptors, which may be one.
    public init(reading: FileDescriptor, writing: FileDescriptor) {
        self.reading = reading
        self.writing = writing
    }

    /// The process's standard input and output.
    public static var standardStreams: Self { Self(reading: .standardInput, writing: .standardOutput) }

    fileprivate var ownSource: ConsoleSource {
        ConsoleSource(specification: .terminal, input: reading.rawValue, output: writing.rawValue)
    }
}

/// A file for the guest's output, emptied first. There is no input.
public struct FileSerialPortAttachment: SerialPortAttachment {
    /// The file.
    public var path: FilePath

    /// A line that ends in a file.
    public init(path: FilePath) { self.path = path }

    fileprivate var ownSource: ConsoleSource { ConsoleSource(specification: .file(path: path.string)) }
}

/// A new pseudo-terminal; `VirtualMachine.consolePath` tells its path once the machine has started.
public struct PseudoterminalSerialPortAttachment: SerialPortAttachment {
    /// A symbolic link to make to the pseudo-terminal's device.
    public var link: FilePath?

    /// A line that ends at a new pseudo-terminal.
    public init(link: FilePath? = nil) { self.link = link }

    fileprivate var ownSource: ConsoleSource { ConsoleSource(specification: .pseudoterminal(link: link?.string)) }
}

/// A Unix socket that serves one client at a time.
public struct UnixSocketSerialPortAttachment: SerialPortAttachment {
    /// The socket, made when the machine starts; at most 107 bytes.
    public var path: FilePath

    /// A line that ends at a socket.
    public init(path: FilePath) { self.path = path }

    fileprivate var ownSource: ConsoleSource { ConsoleSource(specification: .socket(path: path.string)) }
}

/// A console as the command line words it.
package struct SpecifiedSerialPortAttachment: SerialPortAttachment {
    package var specification: ConsoleSpecification

    package init(_ specification: ConsoleSpecification) { self.specification = specification }

    fileprivate var ownSource: ConsoleSource { ConsoleSource(specification: specification) }
}
