from allauth.headless.tokens.strategies.sessions import SessionTokenStrategy


class KnoxTokenStrategy(SessionTokenStrategy):
    pass
