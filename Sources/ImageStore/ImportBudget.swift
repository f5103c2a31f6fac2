/// The most that one import takes in. What is beyond is refused: a small archive can unpack to what fills any disk.
package struct ImportLimits: Sendable {
    /// What a file system of EROFS's can have, with blocks of 4 KiB that are numbered by 32 bits.
    package static let largest: UInt64 = 16 << 40

    /// Bytes of all files in all layers, holes included: at most `largest`.
    package var fileBytes: UInt64 = 64 << 30
    /// Entries of all layers.
    package var entries = 4_000_000
    /// Bytes of memory that the entries take, about.
    package var metadataBytes = 2 << 30

    package init() {}
}

/// What an import is doing.
package enum ImportPhase: Sendable {
    /// A distribution's packages, by its own tools.
    case installing
    case reading
    case building
    case checking
}

/// Told of progress: what is being done, and the bytes of it until now.
package typealias ImportProgress = (ImportPhase, UInt64) -> Void

/// What an import has used of its limits, and tells of its progress.
final class ImportBudget {
    private let limits: ImportLimits
    private let progress: ImportProgress
    private var fileBytes: UInt64 = 0
    private var entries = 0
    private var metadataBytes = 0
    private var phase = ImportPhase.reading
    private var moved: UInt64 = 0

    init(_ limits: ImportLimits, progress: @escaping ImportProgress) {
        self.limits = limits
        self.progress = progress
    }

    func begin(_ phase: ImportPhase) {
        self.phase = phase
        moved = 0
        progress(phase, 0)
    }

    /// Tells that so many more bytes are done.
    func advance(_ bytes: UInt64) {
        moved += bytes
        progress(phase, moved)
    }

    /// - Parameter source: what the entry is of, for errors.
    func spend(on entry: LayerEntry, of source: String) throws(ImageStoreError) {
        entries += 1
        metadataBytes += entry.memory
        guard entries <= limits.entries else {
            throw .source(source, problem: "it has more than \(limits.entries) files; that is the limit of an image")
        }
        guard metadataBytes <= limits.metadataBytes else {
            throw .source(
                source,
                problem: "its names and attributes take more than \(limits.metadataBytes) bytes; that is the limit")
        }
    }

    /// Room in the spool for a file.
    func reserve(_ count: UInt64, in spool: Spool, for source: String) throws(ImageStoreError) -> Extent {
        guard count <= limits.fileBytes - fileBytes else {
            throw .source(
                source,
                problem: "it unpacks to more than \(limits.fileBytes) bytes; that is the limit, which --limit raises")
        }
        fileBytes += count
        return spool.reserve(count)
    }
}
