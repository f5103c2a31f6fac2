import FoundationEssentials

// The JSON of images, as far as it matters here: OCI image specification 1.1, and what `docker save` writes.

/// An OCI image index.
struct OCIIndex: Decodable {
    var manifests: [OCIDescriptor]
}

/// What names another blob.
struct OCIDescriptor: Decodable {
    var mediaType: String?
    var digest: ImageDigest
    var size: UInt64
    var platform: Platform?
    var annotations: [String: String]?

    struct Platform: Decodable, Equatable {
        var architecture: String
        var os: String
    }

    var tag: String? { annotations?["org.opencontainers.image.ref.name"] }

    /// An index within an index.
    var isIndex: Bool {
        mediaType == "application/vnd.oci.image.index.v1+json"
            || mediaType == "application/vnd.docker.distribution.manifest.list.v2+json"
    }

    /// Of a machine of Caisson's, or of none that is named.
    var isForThisPlatform: Bool { platform.map { $0.os == "linux" && $0.architecture == "amd64" } ?? true }
}

/// An OCI image manifest.
struct OCIManifest: Decodable {
    var config: OCIDescriptor
    var layers: [OCIDescriptor]
}

/// An image of an archive for `docker load`.
struct DockerManifest: Decodable {
    var config: String
    var repoTags: [String]?
    var layers: [String]

    private enum CodingKeys: String, CodingKey {
        case config = "Config"
        case repoTags = "RepoTags"
        case layers = "Layers"
    }
}

/// An OCI image configuration, which Docker's is too.
struct OCIConfiguration: Decodable {
    var architecture: String?
    var os: String?
    var config: Execution?
    var rootfs: RootFileSystem

    struct RootFileSystem: Decodable {
        /// Of the layers' archives before compression.
        var diffIDs: [ImageDigest]

        private enum CodingKeys: String, CodingKey { case diffIDs = "diff_ids" }
    }

    struct Execution: Decodable {
        var user: String?
        var environment: [String]?
        var entrypoint: [String]?
        var command: [String]?
        var workingDirectory: String?

        private enum CodingKeys: String, CodingKey {
            case user = "User"
            case environment = "Env"
            case entrypoint = "Entrypoint"
            case command = "Cmd"
            case workingDirectory = "WorkingDir"
        }
    }

    /// What Caisson keeps of it.
    var imageConfiguration: ImageConfiguration {
        var result = ImageConfiguration()
        result.entrypoint = config?.entrypoint ?? []
        result.command = config?.command ?? []
        result.environment = config?.environment ?? []
        result.user = config?.user ?? ""
        result.workingDirectory = config?.workingDirectory ?? ""
        return result
    }
}

extension Decodable {
    /// Reads JSON.
    /// - Parameters:
    ///   - document: what it is, for errors.
    ///   - source: what it is of.
    init(json bytes: [UInt8], _ document: String, of source: String) throws(ImageStoreError) {
        do {
            self = try JSONDecoder().decode(Self.self, from: Data(bytes))
        } catch {
            throw .source(source, problem: "its \(document) cannot be read: \(Self.reason(error))")
        }
    }

    private static func reason(_ error: any Error) -> String {
        func path(_ context: DecodingError.Context) -> String {
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            return path.isEmpty ? "" : " at \(path)"
        }
        return switch error {
        case DecodingError.keyNotFound(let key, let context): "there is no \"\(key.stringValue)\"\(path(context))"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context),
            DecodingError.dataCorrupted(let context):
            "\(context.debugDescription)\(path(context))"
        default: "\(error)"
        }
    }
}
