/// What a request asks for: `enum fuse_opcode` of Linux's `<linux/fuse.h>`, as far as there is an answer to it.
package enum FuseOperation: UInt32, CaseIterable, Sendable {
    case lookup = 1
    case forget = 2
    case getAttributes = 3
    case setAttributes = 4
    case readLink = 5
    case makeSymbolicLink = 6
    case makeNode = 8
    case makeDirectory = 9
    case unlink = 10
    case removeDirectory = 11
    case rename = 12
    case link = 13
    case open = 14
    case read = 15
    case write = 16
    case fileSystemStatus = 17
    case release = 18
    case synchronize = 20
    case setExtendedAttribute = 21
    case getExtendedAttribute = 22
    case listExtendedAttributes = 23
    case removeExtendedAttribute = 24
    case initialize = 26
    case openDirectory = 27
    case readDirectory = 28
    case releaseDirectory = 29
    case synchronizeDirectory = 30
    case create = 35
    case interrupt = 36
    case destroy = 38
    case batchForget = 42
    case allocate = 43
    case readDirectoryPlus = 44
    case renameWithFlags = 45
    case seek = 46
    case copyRange = 47
    case synchronizeFileSystem = 50

    /// Whether it changes what is shared: a share that is only read refuses it. Opening is another matter.
    package var isChange: Bool {
        switch self {
        case .setAttributes, .makeSymbolicLink, .makeNode, .makeDirectory, .unlink, .removeDirectory, .rename, .link,
            .write, .setExtendedAttribute, .removeExtendedAttribute, .create, .allocate, .renameWithFlags, .copyRange:
            true
        case .lookup, .forget, .getAttributes, .readLink, .open, .read, .fileSystemStatus, .release, .synchronize,
            .getExtendedAttribute, .listExtendedAttributes, .initialize, .openDirectory, .readDirectory,
            .releaseDirectory, .synchronizeDirectory, .interrupt, .destroy, .batchForget, .readDirectoryPlus, .seek,
            .synchronizeFileSystem:
            false
        }
    }

    /// Whether nobody waits for an answer.
    package var isSilent: Bool { self == .forget || self == .batchForget || self == .interrupt }
}
