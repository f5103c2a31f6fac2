package import HostIO
import SystemPackage

/// Why an image cannot be had, made or removed.
package enum ImageStoreError: Error, Equatable {
    /// The host refused.
    case host(HostError)
    /// What is to become an image is none, or is damaged.
    case source(String, problem: String)
    /// The store has no image of this name.
    case unknownImage(String, store: String)
    case invalidName(String)
    /// A machine runs from it.
    case inUse(String)
    /// A record of the store's is not what was written there.
    case damagedRecord(path: String, problem: String)
    /// A program of the host's is missing or failed.
    case program(String, problem: String)
}

extension ImageStoreError: CustomStringConvertible {
    /// One line, whatever was in the names and documents that it tells of.
    package var description: String { text.printable }

    private var text: String {
        switch self {
        case .host(let error) where error.errno == .noSpace:
            "\(error); nothing was kept. `caisson image prune` frees what no image needs"
        case .host(let error): "\(error)"
        case .source(let source, let problem): "\(source): \(problem)"
        case .unknownImage(let name, let store):
            "there is no image '\(name)' in \(store); `caisson image list` shows those that are, "
                + "`caisson image import` makes one"
        case .invalidName(let name):
            "'\(name)' is no name of an image: use up to 128 letters, digits and . _ - :, with a letter or digit first"
        case .inUse(let name): "the image '\(name)' is in use by a machine; it can go when that has ended"
        case .damagedRecord(let path, let problem): "\(path) is damaged: \(problem)"
        case .program(let name, let problem): "\(name): \(problem)"
        }
    }
}
