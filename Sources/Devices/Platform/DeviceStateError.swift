/// Why a saved state cannot be restored: no device could have been in it.
package enum DeviceStateError: Error, Equatable {
    case invalid(device: String, field: String, value: Int)
}

extension DeviceStateError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .invalid(let device, let field, let value):
            "the saved state of the \(device) is damaged: \(field) cannot be \(value)"
        }
    }
}
