//! How a job in Girder is, in Girder's numbers.

/// The status of a job in Girder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobStatus {
    /// It waits; nobody has taken it.
    Inactive,
    /// It waits in a queue.
    Queued,
    /// It runs.
    Running,
    /// It has done what it should.
    Success,
    /// It has failed.
    Error,
    /// It was stopped.
    Canceled,
    /// Somebody wants it to be stopped.
    Canceling,
    /// Another number: plugins have their own.
    Other(i64),
}

impl JobStatus {
    /// What Girder's number means.
    pub fn from_number(number: i64) -> Self {
        match number {
            0 => Self::Inactive,
            1 => Self::Queued,
            2 => Self::Running,
            3 => Self::Success,
            4 => Self::Error,
            5 => Self::Canceled,
            824 => Self::Canceling,
            other => Self::Other(other),
        }
    }

    /// Girder's number for it.
    pub fn number(self) -> i64 {
        match self {
            Self::Inactive => 0,
            Self::Queued => 1,
            Self::Running => 2,
            Self::Success => 3,
            Self::Error => 4,
            Self::Canceled => 5,
            Self::Canceling => 824,
            Self::Other(number) => number,
        }
    }

    /// Girder's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Success => "a success",
            Self::Error => "an error",
            Self::Canceled => "canceled",
            Self::Canceling => "canceling",
            Self::Other(_) => "another status",
        }
    }

    /// Whether nothing comes after it.
    pub fn is_end(self) -> bool {
        matches!(self, Self::Success | Self::Error | Self::Canceled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_a_status_and_the_same_number_again() {
        for number in (-3..10).chain([820, 824, i64::MAX]) {
            assert_eq!(JobStatus::from_number(number).number(), number);
        }
        assert_eq!(JobStatus::from_number(824), JobStatus::Canceling);
    }
}
