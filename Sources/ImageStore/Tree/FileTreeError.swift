/// What no file system can come of, in an archive or directory.
enum FileTreeError: Error, Equatable {
    /// `..`
    case climbs(EntryPath)
    /// Too long, or with a NUL.
    case impossible(EntryPath)
    /// Something in it is below what is no directory.
    case notADirectory(EntryPath)
    /// Symbolic links on the way to it lead nowhere else.
    case loop(EntryPath)
    /// A hard link to what is not there, or to a directory.
    case noLinkTarget(EntryPath, target: EntryPath)
    case rootIsNoDirectory
    /// Extended attributes of more bytes than a file can have.
    case tooManyAttributes(EntryPath)
    /// A device of numbers that Linux does not have.
    case impossibleDevice(EntryPath)
    /// More than the 16 TiB of a file system.
    case tooLarge
}

extension FileTreeError: CustomStringConvertible {
    var description: String {
        switch self {
        case .climbs(let path): "'\(path)' climbs out of the image by '..'"
        case .impossible(let path): "'\(path)' is longer than Linux's names and paths, or has a NUL"
        case .notADirectory(let path): "'\(path)' is below something that is no directory"
        case .loop(let path): "the symbolic links on the way to '\(path)' form a loop"
        case .noLinkTarget(let path, let target):
            "'\(path)' is a hard link to '\(target)', which is no file that came before"
        case .rootIsNoDirectory: "its root is no directory"
        case .tooManyAttributes(let path): "'\(path)' has more extended attributes than a file can have"
        case .impossibleDevice(let path): "'\(path)' is a device with numbers that Linux does not have"
        case .tooLarge: "it has more than 16 TiB"
        }
    }
}
