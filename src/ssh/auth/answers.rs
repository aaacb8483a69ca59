//! What people answered, remembered for the run: no question is asked twice, and a refusal to answer is remembered too.
//!
//! Must never hold an answer that is good only once (a question of a jump host may be for a one-time code).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;

use super::super::cache::lock;
use crate::core::model::Secret;
use crate::ports::{Asker, Question, Unanswered};

type Answer = Result<Secret<String>, Unanswered>;

/// The answers of one run.
pub(in crate::ssh) struct Answers {
    asker: Arc<dyn Asker>,
    given: Mutex<HashMap<Question, Arc<OnceCell<Answer>>>>,
}

impl Answers {
    /// Nothing answered yet.
    pub(in crate::ssh) fn new(asker: Arc<dyn Asker>) -> Self {
        Self { asker, given: Mutex::new(HashMap::new()) }
    }

    /// The answer; all who ask while a person thinks wait for that one.
    pub(super) async fn get(&self, question: Question) -> Answer {
        if matches!(question, Question::Prompt { .. }) {
            return self.asker.secret(&question).await;
        }
        let cell = Arc::clone(lock(&self.given).entry(question.clone()).or_default());
        cell.get_or_init(|| self.asker.secret(&question)).await.clone()
    }

    /// The answer was wrong: whoever asks from now on is told `why`.
    pub(super) fn spoil(&self, question: Question, why: &str) {
        let wrong = OnceCell::new_with(Some(Err(Unanswered(why.to_owned()))));
        lock(&self.given).insert(question, Arc::new(wrong));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Counting(AtomicUsize);

    #[async_trait::async_trait]
    impl Asker for Counting {
        async fn secret(&self, _: &Question) -> Answer {
            tokio::task::yield_now().await;
            Ok(Secret::new(self.0.fetch_add(1, Ordering::SeqCst).to_string()))
        }
    }

    fn password(jump: Option<&str>) -> Question {
        Question::Password { user: "root".to_owned(), jump: jump.map(str::to_owned) }
    }

    #[tokio::test]
    async fn a_question_is_asked_once_unless_it_may_be_for_a_code() {
        let answers = Answers::new(Arc::new(Counting(AtomicUsize::new(0))));
        let (a, b) = tokio::join!(answers.get(password(None)), answers.get(password(None)));
        assert_eq!((a.clone(), b), (Ok(Secret::new("0".to_owned())), a));
        assert_eq!(answers.get(password(Some("jump:22"))).await, Ok(Secret::new("1".to_owned())));
        let code = || Question::Prompt {
            user: "root".to_owned(),
            jump: "jump:22".to_owned(),
            text: "Code:".to_owned(),
            echo: false,
        };
        assert_eq!(answers.get(code()).await, Ok(Secret::new("2".to_owned())));
        assert_eq!(answers.get(code()).await, Ok(Secret::new("3".to_owned())));
        answers.spoil(password(None), "it was wrong");
        assert_eq!(answers.get(password(None)).await, Err(Unanswered("it was wrong".to_owned())));
    }
}
