/// A request with its parameters, all checked as far as that can be done without looking at a file.
enum FuseRequest {
    /// An open file, and where in it.
    struct Place {
        var handle: UInt64
        /// At most what a signed number holds.
        var offset: UInt64
    }

    /// What SETATTR changes; nil stays as it is.
    struct Changes {
        enum Time {
            case now
            case at(FileAttributes.Time)
        }

        var handle: UInt64?
        var mode: UInt32?
        var user: UInt32?
        var group: UInt32?
        var size: UInt64?
        var accessed: Time?
        var modified: Time?
        /// The caller may not keep set-id bits in what it shortens or lengthens.
        var clearsSetID = false
    }

    struct Negotiation {
        var minor: UInt32
        var maximumReadAhead: UInt32
        var flags: UInt32
    }

    case lookup(FileName)
    case forget([(node: UInt64, count: UInt64)])
    case getAttributes(handle: UInt64?)
    case setAttributes(Changes)
    case readLink
    /// The target ends with a NUL.
    case makeSymbolicLink(FileName, target: [CChar])
    case makeNode(FileName, mode: UInt32)
    case makeDirectory(FileName, mode: UInt32)
    case remove(FileName, isDirectory: Bool)
    case rename(FileName, toDirectory: UInt64, FileName, flags: UInt32)
    case link(node: UInt64, FileName)
    case open(flags: UInt32, clearsSetID: Bool)
    case create(FileName, flags: UInt32, mode: UInt32, clearsSetID: Bool)
    case read(Place, count: UInt32)
    case write(Place, count: UInt32, appends: Bool, clearsSetID: Bool)
    case fileSystemStatus
    case release(handle: UInt64)
    case synchronize(handle: UInt64, dataOnly: Bool)
    /// Names end with a NUL.
    case setExtendedAttribute([CChar], value: [UInt8], flags: UInt32)
    case getExtendedAttribute([CChar], room: UInt32)
    case listExtendedAttributes(room: UInt32)
    case removeExtendedAttribute([CChar])
    case initialize(Negotiation)
    case openDirectory
    case readDirectory(Place, count: UInt32, withAttributes: Bool)
    case allocate(Place, count: UInt64, mode: UInt32)
    case seek(Place, forHole: Bool)
    case copyRange(from: Place, to: Place, count: UInt64)
    case synchronizeFileSystem
    case interrupt
    case destroy
}
