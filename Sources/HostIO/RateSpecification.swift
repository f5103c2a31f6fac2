/// The most that a device moves a second, as the user writes it among the device's options:
/// `bps=SIZE`, `iops=NUMBER`, and what may go at once after a pause, `bps_max=SIZE`, `iops_max=NUMBER`.
package struct RateSpecification: Equatable, Sendable {
    package var bytesPerSecond: UInt64?
    package var operationsPerSecond: UInt64?
    package var byteBurst: UInt64?
    package var operationBurst: UInt64?

    package init() {}

    /// The options' names, in the order in which they are written.
    package static let names = ["bps=", "bps_max=", "iops=", "iops_max="]

    private static func field(_ name: String) -> WritableKeyPath<RateSpecification, UInt64?>? {
        switch name {
        case "bps=": \.bytesPerSecond
        case "bps_max=": \.byteBurst
        case "iops=": \.operationsPerSecond
        case "iops_max=": \.operationBurst
        default: nil
        }
    }

    /// Takes one option's value.
    /// - Parameters:
    ///   - name: one of `names`.
    ///   - size: reads a number of bytes as the user writes it.
    /// - Throws: `unusable`.
    package mutating func set(
        _ name: String, _ value: String, size: (String) -> UInt64?
    ) throws(RateSpecificationError) {
        guard let field = Self.field(name) else { preconditionFailure("no option of a rate") }
        let number = name.hasPrefix("bps") ? size(value) : UInt64(value)
        guard let number, number > 0 else { throw .unusable(name + value) }
        self[keyPath: field] = number
    }

    /// - Throws: `burstWithoutRate`.
    package func validate() throws(RateSpecificationError) {
        if byteBurst != nil, bytesPerSecond == nil { throw .burstWithoutRate(missing: "bps=") }
        if operationBurst != nil, operationsPerSecond == nil { throw .burstWithoutRate(missing: "iops=") }
    }

    /// The options as a user would write them; sizes in bytes.
    package var words: [String] {
        Self.names.compactMap { name in
            Self.field(name).flatMap { self[keyPath: $0] }.map { "\(name)\($0)" }
        }
    }
}

/// What limits nothing.
package enum RateSpecificationError: Error, Equatable, CustomStringConvertible {
    /// No number from 1 up.
    case unusable(String)
    /// A burst without the rate that it belongs to.
    case burstWithoutRate(missing: String)

    package var description: String {
        switch self {
        case .unusable(let word):
            "'\(word)' limits nothing: use a number from 1 up, as in bps=50M or iops=1000"
        case .burstWithoutRate(let missing):
            "it says how much may go at once, but not how much a second: add \(missing)"
        }
    }
}
